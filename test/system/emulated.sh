#!/usr/bin/env bash
# Runs the cross-built agent tools of arm64 under user-mode emulation, on a software TPM, and compares with this machine:
# the endorsement key of one TPM is one key, whatever the processor. Needs root for the chroot.
set -euo pipefail
cd "$(dirname "$0")/../.."
tree="$PWD/.cache/system/arm64-bookworm"
bash test/system/rootfs.sh arm64 bookworm "$tree" systemd,systemd-sysv,dbus,udev,kmod,iproute2,openssh-server,tpm2-tools,libtss2-esys-3.0.2-0,libtss2-mu0,libtss2-tctildr0,libtss2-tcti-device0,libtss2-tcti-swtpm0,tpm-udev,libstdc++6,libatomic1,linux-image-cloud-arm64,ca-certificates,procps,curl
[ -n "${TPE_KEEP_PACKAGES:-}" ] || bash scripts/package.sh arm64 bookworm >/dev/null
ls .cache/packages/common/tpe-node_*_arm64.deb >/dev/null 2>&1 || bash scripts/package-node.sh arm64 >/dev/null

work="$(mktemp -d /tmp/tpe-emulated.XXXXXX)"
swtpm_pid=
cleanup() {
  [ -z "$swtpm_pid" ] || kill "$swtpm_pid" 2>/dev/null || true
  umount "$work/root/proc" "$work/root" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
mkdir -p "$work"/{upper,overlay,root,tpm}
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/overlay" "$work/root"
mount -t proc proc "$work/root/proc"
dpkg-deb -x .cache/packages/common/tpe-node_*_arm64.deb "$work/root"
dpkg-deb -x .cache/packages/bookworm/tpe-agent_*_arm64.deb "$work/unpacked"
cp -r "$work/unpacked/usr" "$work/root/"

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --server "type=tcp,port=$port,bindaddr=127.0.0.1" \
  --ctrl "type=tcp,port=$((port + 1)),bindaddr=127.0.0.1" --flags not-need-init,startup-clear &
swtpm_pid=$!
until bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null; do sleep 0.1; done
config() {
  mkdir -p -m 0700 "$1/state"
  printf '[paths]\nstate = "%s/state"\n[device]\nserialNumber = "TAICB1046771"\nmacAddress = "00:90:e8:79:46:b5"\nmodelName = "UC"\n[tpm]\ntcti = "swtpm:host=127.0.0.1,port=%s"\n' "$2" "$port" >"$1/config.toml"
}
mkdir -p "$work/root/opt/t" "$work/here"
config "$work/root/opt/t" /opt/t
config "$work/here" "$work/here"
there="$(chroot "$work/root" /usr/bin/tpe-agentctl ek --json --config /opt/t/config.toml)"
here="$(node dist/tpe-agentctl.cjs ek --json --config "$work/here/config.toml")"
[ "$there" = "$here" ] || { echo "FAILED: arm64 says $there, this machine $here" >&2; exit 1; }
chroot "$work/root" /usr/bin/tpe-agentctl factory init --json --config /opt/t/config.toml --output /opt/t/record >/dev/null
[ -s "$work/root/opt/t/record/TAICB1046771.svg" ] || { echo 'FAILED: no label' >&2; exit 1; }
echo "arm64 $(chroot "$work/root" /usr/lib/tpe-node/bin/node -p 'process.arch + " " + process.version'): the same EK, and factory init works"
