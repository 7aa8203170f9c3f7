#!/usr/bin/env bash
# Checks the Debian packages: lintian, size, content, byte-identical rebuilds, the addons of each architecture at work
# under user-mode emulation, and installing without systemd. Needs root for chroots.
#   packages.sh [ARCH-RELEASE…]     default: amd64-bookworm arm64-bookworm armhf-trixie amd64-trixie
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ $# -gt 0 ] || set -- amd64-bookworm arm64-bookworm armhf-trixie amd64-trixie
LIMIT=$((5 * 1024 * 1024))
# One date for all builds of this run, also when somebody commits meanwhile.
SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)"
export SOURCE_DATE_EPOCH

swtpm=''
machine_cut() { [ -z "$swtpm" ] || kill "$swtpm" 2>/dev/null || true; }
unmount_root() { umount "$work/root/proc" "$work/root/dev" "$work/root" 2>/dev/null || true; }
machine_clean() { unmount_root; }

check_lintian() {
  lintian --fail-on error,warning --tag-display-limit 0 "$1" >"$work/lintian.log" 2>&1 || { cat "$work/lintian.log" >&2; fail "lintian: $1"; }
}

check_files() {
  local arch="$1" release="$2" deb size
  for deb in "$debs"/common/*_"$arch".deb; do [ ! -f "$deb" ] || check_lintian "$deb"; done
  for deb in "$debs/$release"/*_"$arch".deb "$debs/$release"/*_all.deb; do
    [ -f "$deb" ] || continue
    check_lintian "$deb"
    dpkg-deb -c "$deb" >"$work/content"
    grep -q node_modules "$work/content" && fail "$deb carries node_modules"
    local file
    for file in THIRD-PARTY-NOTICES.txt sbom.cdx.json copyright changelog; do
      grep -q "/usr/share/doc/.*/$file" "$work/content" || fail "$deb has no $file"
    done
    for file in $(awk '/\/usr\/bin\/./ {sub(".*/", "", $6); print $6}' "$work/content"); do
      grep -qE "/usr/share/man/man[18]/$file\.[18]\.gz$" "$work/content" || fail "$deb has no manual page of $file"
    done
    awk '{print $1}' "$work/content" | grep -qE '^-.......w.|^-..s|^-.....s' && fail "$deb has a file that is open or set-uid"
  done
  size="$(stat -c %s "$(agent_of "$arch" "$release")")"
  [ "$size" -lt "$LIMIT" ] || fail "tpe-agent has $size bytes, allowed are $LIMIT"
  step "$arch $release: lintian finds nothing; tpe-agent has $size bytes"
}
agent_of() { ls -t "$debs/$2"/tpe-agent_*_"$1".deb | head -n 1; }

# The same sources, built again from nothing, give the same bytes.
check_rebuild() {
  local arch="$1" release="$2"
  (cd "$debs/$release" && sha256sum -- *_"$arch".deb) >"$work/sums"
  rm -rf dist/*.cjs ".cache/cross/$release-$arch/build" ".cache/cross/$release-$arch"/*.node
  bash scripts/package.sh "$arch" "$release" >/dev/null
  (cd "$debs/$release" && sha256sum --quiet --check "$work/sums") || fail "$arch $release: a rebuild gives other bytes"
  step "$arch $release: a rebuild gives the same bytes"
}

# Opens a chroot over the cached tree with the packages in it; no service manager runs there.
open_root() {
  local arch="$1" release="$2" tree="$cache/$1-$2"
  bash test/system/rootfs.sh "$arch" "$release" "$tree" "$(bash test/system/tree-packages.sh "$arch" "$release")"
  rm -rf "$work"/{upper,overlay,root}
  mkdir -p "$work"/{upper,overlay,root}
  mount -t overlay overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/overlay" "$work/root"
  mount -t proc proc "$work/root/proc"
  mount --bind /dev "$work/root/dev"
  cp "$(agent_of "$arch" "$release")" "$work/root/root/agent.deb"
  [ "$arch" = armhf ] || cp "$debs"/common/tpe-node_*_"$arch".deb "$work/root/root/node.deb"
}
rooted() { chroot "$work/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

# agent_config FOLDER SEEN-AS: settings on the software TPM
agent_config() {
  mkdir -p -m 0700 "$1/state"
  printf '[paths]\nstate = "%s/state"\n[device]\nserialNumber = "TAICB1046771"\nmacAddress = "00:90:e8:79:46:b5"\nmodelName = "UC"\n[tpm]\ntcti = "swtpm:host=127.0.0.1,port=%s"\n' "$2" "$port" >"$1/config.toml"
}

# Installs where no systemd runs, uses the addon on a TPM, removes, purges.
check_chroot() {
  local arch="$1" release="$2" there here
  open_root "$arch" "$release"
  [ ! -f "$work/root/root/node.deb" ] || rooted dpkg -i /root/node.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "tpe-node"; }
  rooted dpkg -i /root/agent.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "$arch $release: dpkg -i without systemd"; }
  agent_config "$work/root/opt/t" /opt/t
  there="$(rooted tpe-agentctl ek --json --config /opt/t/config.toml)" || fail "$arch $release: tpe-agentctl ek: $there"
  agent_config "$work/here" "$work/here"
  here="$(node dist/tpe-agentctl.cjs ek --json --config "$work/here/config.toml")"
  [ "$there" = "$here" ] || fail "$arch says $there, this machine $here"
  rooted tpe-agentctl factory init --json --config /opt/t/config.toml --output /opt/t/record >/dev/null || fail "$arch $release: factory init"
  [ -s "$work/root/opt/t/record/TAICB1046771.svg" ] || fail "$arch $release: no label"
  rooted dpkg -r tpe-agent >>"$work/dpkg.log" 2>&1 || fail "removing without systemd"
  rooted dpkg -P tpe-agent >>"$work/dpkg.log" 2>&1 || fail "purging without systemd"
  [ ! -e "$work/root/var/lib/tpe-agent" ] && [ ! -e "$work/root/etc/tpe-agent" ] || fail "purging left files"
  unmount_root
  step "$arch $release: installed without systemd, the addon gives the same EK as here, factory init works, purged"
}

mkdir -p "$work/tpm"
port="$(free_port)"
swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --server "type=tcp,port=$port,bindaddr=127.0.0.1" \
  --ctrl "type=tcp,port=$((port + 1)),bindaddr=127.0.0.1" --flags not-need-init,startup-clear 2>>"$work/tpm.log" &
swtpm=$!
wait_for 10 "the software TPM" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"

for target in "$@"; do
  arch="${target%-*}" release="${target#*-}"
  need_packages "$arch" "$release"
  check_files "$arch" "$release"
done
check_rebuild "${1%-*}" "${1#*-}"
for target in "$@"; do check_chroot "${target%-*}" "${target#*-}"; done

# A package of another architecture is refused by name, and nothing of it is unpacked.
open_root amd64 bookworm
cp "$(ls -t "$debs"/bookworm/tpe-agent_*_arm64.deb | head -n 1)" "$work/root/root/foreign.deb"
rooted dpkg -i /root/foreign.deb >"$work/dpkg.log" 2>&1 && fail "a package of another architecture was installed"
grep -q 'package architecture (arm64) does not match system (amd64)' "$work/dpkg.log" || fail "$(cat "$work/dpkg.log")"
[ ! -e "$work/root/usr/lib/tpe-agent" ] || fail "a refused package left files"
step "a package of another architecture is refused"
echo "system test (packages): passed in $((SECONDS - started)) s"
