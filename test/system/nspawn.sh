#!/usr/bin/env bash
# Walks the life of a gateway on a booted Debian with systemd: the packages are installed into a container whose
# /dev/tpmrm0 is a software TPM, and the hardened units run. Needs root; takes a few minutes, most of them once.
set -euo pipefail
cd "$(dirname "$0")/../.."
root="$PWD"
cache="$root/.cache/system"
tree="$cache/amd64-bookworm"
debs="$root/.cache/packages"

[ "$(id -u)" -eq 0 ] || { echo "nspawn.sh: booting a container needs root" >&2; exit 1; }
started=$SECONDS
step() { printf '%4d s  %s\n' $((SECONDS - started)) "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

bash test/system/rootfs.sh amd64 bookworm "$tree" systemd,systemd-sysv,dbus,udev,iproute2,procps,tpm2-tools,libtss2-esys-3.0.2-0,libtss2-mu0,libtss2-tctildr0,libtss2-tcti-device0,libstdc++6,tpm-udev,ca-certificates,curl,libubootenv-tool
if [ -z "${TPE_KEEP_PACKAGES:-}" ]; then
  bash scripts/package.sh amd64 bookworm >/dev/null
fi
[ -f "$debs"/common/tpe-node_*_amd64.deb ] || bash scripts/package-node.sh amd64 >/dev/null
agent_deb="$(ls "$debs"/bookworm/tpe-agent_*_amd64.deb)"
dist="$debs/stage-bookworm-amd64/tpe-agent/dist"
step "packages are built"

work="$(mktemp -d /tmp/tpe-system.XXXXXX)"
name="tpe-system-$$"
pids=()
leader=
cleanup() {
  local status=$?
  if [ "$status" -ne 0 ] && [ -n "$leader" ]; then
    inside journalctl --no-pager -n 60 -u tpe-agent -u tpe-helper >&2 || true
  fi
  [ -z "$leader" ] || kill -RTMIN+4 "$leader" 2>/dev/null || true
  for _ in $(seq 50); do [ -n "$leader" ] && [ -d "/proc/$leader" ] || break; sleep 0.1; done
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  ip netns del "$name" 2>/dev/null || true
  umount "$work/root" 2>/dev/null || true
  rm -rf --one-file-system "$work"
  exit "$status"
}
trap cleanup EXIT

inside() { nsenter -t "$leader" -m -u -i -n -p -r -w -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
netns() { ip netns exec "$name" "$@"; }
ctl() { inside tpe-agentctl "$@"; }
field() { node -e 'const v = process.argv[2].split(".").reduce((o, k) => o?.[k], JSON.parse(process.argv[1])); console.log(v ?? "")' "$1" "$2"; }
# wait_for SECONDS WHAT COMMAND…: until the command succeeds
wait_for() {
  local limit=$((SECONDS + $1)) what="$2"
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $limit ] || fail "$what did not happen in time"
    sleep 0.3
  done
}
state_is() { [ "$(field "$(ctl status --json)" provisioning.state)" = "$1" ]; }

# A copy-on-write layer over the cached tree.
mkdir -p "$work"/{upper,overlay,root,tpm,emulator,plant}
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/overlay" "$work/root"

echo '127.0.0.1 localhost' >"$work/root/etc/hosts"

# A TPM with certificates, behind a pseudo-terminal that the container knows as /dev/tpmrm0.
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
swtpm_setup --tpm2 --tpmstate "$work/tpm" --create-ek-cert --overwrite >/dev/null
swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --server "type=tcp,port=$port,bindaddr=127.0.0.1" \
  --ctrl "type=tcp,port=$((port + 1)),bindaddr=127.0.0.1" --flags not-need-init,startup-clear &
pids+=($!)
wait_for 10 "the software TPM" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
python3 test/system/pty-tpm.py "$port" "$work/tpm.link" >"$work/pty.log" &
pids+=($!)
wait_for 10 "the TPM's device file" grep -q ready "$work/pty.log"

# A network of its own; cloud and plant are on it too.
ip netns add "$name"
netns ip link set lo up
netns ip link add eth0 type veth peer name wire
netns ip address add 10.77.0.2/24 dev eth0
netns ip link set wire up
netns ip link set eth0 up

cp "$debs"/common/tpe-node_*_amd64.deb "$agent_deb" "$work/root/root/"
# The version before: the same files under a lower number.
dpkg-deb -R "$agent_deb" "$work/old"
sed -i 's/^Version: .*/Version: 0.0.1/' "$work/old/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/old" "$work/root/root/old.deb" >/dev/null

script -qfec "systemd-nspawn --quiet -D $work/root --boot --register=no --keep-unit --network-namespace-path=/run/netns/$name --bind=$(readlink "$work/tpm.link"):/dev/tpmrm0" "$work/console.log" </dev/null >/dev/null 2>&1 &
pids+=($!)
nspawn_pid() { pgrep -f "systemd-nspawn --quiet -D $work/root" | while read -r pid; do pgrep -P "$pid" -x systemd; done | head -n 1; }
wait_for 30 "the container" test -n "$(sleep 1; nspawn_pid)"
leader="$(nspawn_pid)"
booted() { case "$(inside systemctl is-system-running)" in running | degraded) return 0 ;; *) return 1 ;; esac; }
wait_for 90 "booting" booted
# What udev does on a machine with a real device.
inside sh -c 'getent group tss >/dev/null || groupadd -r tss; chgrp tss /dev/tpmrm0; chmod 0660 /dev/tpmrm0'
step "Debian has booted"

netns node "$dist/tpe-cloud-emulator.cjs" --state "$work/emulator" >"$work/emulator.log" 2>&1 &
pids+=($!)
wait_for 30 "the emulator" grep -q '"idScope"' "$work/emulator.log"
cloud="$(grep -m1 '"idScope"' "$work/emulator.log")"

inside sh -c 'dpkg -i /root/tpe-node_*.deb' >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "tpe-node does not install"; }
inside dpkg -i /root/old.deb >>"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "the package does not install"; }
cp "$(field "$cloud" ca)" "$work/root/etc/tpe-agent/cloud-ca.pem"
chmod 0644 "$work/root/etc/tpe-agent/cloud-ca.pem"
cat >"$work/root/etc/tpe-agent/config.toml" <<CONFIG
[device]
serialNumber = "TAICB1046771"
modelName = "UC-8100A-ME-T-LX"
macAddress = "00:90:e8:79:46:b5"
[discovery]
address = "10.77.0.2"
[azure]
trustedCaFile = "/etc/tpe-agent/cloud-ca.pem"
hubGateway = "$(field "$cloud" hub)"
dpsHosts = ["localhost"]
CONFIG
inside systemctl restart tpe-agent
wait_for 60 "READY=1" inside systemctl is-active --quiet tpe-agent
step "the hardened unit runs: $(inside systemd-analyze security --no-pager tpe-agent.service | tail -n 1 | sed 's/^[^O]*//')"
[ "$(inside systemctl show -p User --value tpe-agent)" = tpe-agent ] || fail "the agent does not run as its own user"
[ "$(inside stat -c '%U %a' /var/lib/tpe-agent)" = "tpe-agent 700" ] || fail "the state folder is open"
inside runuser -u nobody -- tpe-agentctl status >/dev/null 2>&1 && fail "anybody may use the control socket"

ctl factory init --output /root/factory --json >"$work/init.json"
record="$(cat "$work/root/root/factory/TAICB1046771.json")"
password="$(field "$record" initialPassword)"
[ -n "$password" ] || fail "the factory made no password"
[ "$(field "$record" registrationId)" = taicb1046771 ] || fail "wrong registration ID"
grep -q "$password" "$work/root/root/factory/factory.csv" || fail "the list has no password"
step "factory init: label, list and record are written"

inside dpkg -i "/root/$(basename "$agent_deb")" >>"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "the upgrade fails"; }
wait_for 60 "the agent after the upgrade" inside systemctl is-active --quiet tpe-agent
ctl factory init --output /root/factory --json >/dev/null
[ "$(field "$(cat "$work/root/root/factory/TAICB1046771.json")" initialPassword)" = "$password" ] || fail "the upgrade lost the state"
grep -q cloud-ca.pem "$work/root/etc/tpe-agent/config.toml" || fail "the upgrade lost the settings"
step "upgrade: state and settings are kept"

printf '%s' "$password" >"$work/plant/password"
printf 'Plant-Passw0rd!' >"$work/plant/new-password"
field "$cloud" policyKey >"$work/plant/policy-key"
chmod 600 "$work"/plant/*
provision() {
  netns node "$dist/tpe-provision.cjs" run --json --target 10.77.0.2 --trust-on-first-use \
    --password-file "$work/plant/password" --new-password-file "$work/plant/new-password" \
    --dps-endpoint "$(field "$cloud" service | sed 's#^https://##')" --policy-name "$(field "$cloud" policyName)" \
    --policy-key-file "$work/plant/policy-key" --dps-ca "$(field "$cloud" ca)" \
    --id-scope "$(field "$cloud" idScope)" --global-endpoint "$(field "$cloud" dps)" --connect-timeout 120 "$@"
}
provision >"$work/provision.log" 2>&1 || { tail -n 20 "$work/provision.log" >&2; fail "provisioning"; }
state_is connected || fail "the gateway is not connected"
step "discovered, enrolled and connected"

inside systemctl restart tpe-agent
wait_for 60 "connecting again" state_is connected
[ "$(field "$(ctl status --json)" provisioning.counters.registrations)" = 0 ] || fail "a restart asked DPS"
step "connected again without DPS"

ctl check --json >"$work/check.json" || true
bad="$(node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(r.checks.filter((c) => ["failed", "fatal"].includes(c.result)).map((c) => c.id + ": " + c.detail).join("\n"))' "$work/check.json")"
[ -z "$bad" ] || fail "check says: $bad"
step "check finds nothing that fails"

ctl logs bundle --output /root/logs.tar.gz >/dev/null
mkdir "$work/logs" && tar -xzf "$work/root/root/logs.tar.gz" -C "$work/logs"
for secret in "$password" 'Plant-Passw0rd!' "$(field "$cloud" policyKey)" 'PRIVATE KEY' '$scrypt$'; do
  ! grep -rqF -- "$secret" "$work/logs" || fail "the bundle holds a secret"
done
step "the bundle for support holds no secret"

mkdir -p "$work/root/etc/systemd/system/tpe-agent.service.d"
printf '[Service]\nWatchdogSec=4\n' >"$work/root/etc/systemd/system/tpe-agent.service.d/watchdog.conf"
inside systemctl daemon-reload
inside systemctl restart tpe-agent
wait_for 60 "connecting with the short watchdog" state_is connected
before="$(inside systemctl show -p NRestarts --value tpe-agent)"
inside kill -STOP "$(inside systemctl show -p MainPID --value tpe-agent)"
restarted() { [ "$(inside systemctl show -p NRestarts --value tpe-agent)" -gt "$before" ] && state_is connected; }
wait_for 60 "the watchdog" restarted
rm -r "$work/root/etc/systemd/system/tpe-agent.service.d"
inside systemctl daemon-reload
step "a frozen agent is restarted by the watchdog and connects again"

inside systemctl stop tpe-agent
ctl ek --json >"$work/ek.json"
[ "$(field "$(cat "$work/ek.json")" endorsementKey)" = "$(field "$record" endorsementKey)" ] || fail "another EK without the agent"
inside tpm2_clear -T device:/dev/tpmrm0 -c p
[ "$(inside find /var/lib/tpe-agent ! -user tpe-agent | wc -l)" = 0 ] || fail "root left files in the state"
inside systemctl start tpe-agent
wait_for 90 "registering after TPM2_Clear" state_is connected
[ "$(field "$(ctl status --json)" provisioning.counters.registrations)" = 1 ] || fail "the cleared TPM did not register again"
step "TPM cleared: registered again by itself"

ctl factory reset >/dev/null
as_new() { [ "$(field "$(ctl status --json)" provisioning.state)" = unconfigured ]; }
wait_for 60 "the reset" as_new
login() { netns curl -sk -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -d "{\"acceptEULA\":true,\"name\":\"admin\",\"password\":\"$1\"}" https://10.77.0.2:8443/api/v1/auth; }
[ "$(login "$password")" = 200 ] || fail "the factory's password does not work after the reset"
[ "$(login 'admin@123')" = 401 ] || fail "the well-known password works after the reset"
[ "$(login 'Plant-Passw0rd!')" = 401 ] || fail "the plant's password survived the reset"
step "factory reset: as new, with the factory's own password"

inside dpkg -r tpe-agent >>"$work/dpkg.log" 2>&1 || fail "removing"
inside test -f /var/lib/tpe-agent/factory.json || fail "removing lost the state"
inside test -f /etc/tpe-agent/config.toml || fail "removing lost the settings"
inside dpkg -P tpe-agent >>"$work/dpkg.log" 2>&1 || fail "purging"
inside test ! -e /var/lib/tpe-agent || fail "purging left the state"
inside id tpe-agent >/dev/null || fail "purging took the user, whose number could be given to somebody else"
step "removed, then purged"
echo "system test (nspawn): passed in $((SECONDS - started)) s"
