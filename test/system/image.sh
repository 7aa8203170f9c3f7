#!/usr/bin/env bash
# Builds Dockerfile.arm without a daemon (buildah) for both platforms, on base images made here, and runs the image under
# user-mode emulation: not as root, on a read-only root file system, with a software TPM. Needs root.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
TPE_SAY=test:system bash scripts/apt-install.sh test/system/apt-packages-image.txt
LIMIT=$((25 * 1024 * 1024))
bud=(buildah --storage-driver overlay --root "$work/containers" --runroot "$work/containers-run")
swtpm='' agent=''
machine_cut() {
  local pid
  for pid in $agent $swtpm; do kill "$pid" 2>/dev/null || true; done
  wait $agent $swtpm 2>/dev/null || true
  agent='' swtpm=''
}
machine_diagnose() { tail -n 20 "$work"/*/log 2>/dev/null || true; }
machine_clean() {
  umount "$work"/box/{proc,dev,tmp,var/lib/tpe-agent,run/tpe-agent,box} "$work/box" 2>/dev/null || true
  "${bud[@]}" umount --all >/dev/null 2>&1 || true
  "${bud[@]}" rm --all >/dev/null 2>&1 || true
  umount "$work/containers/overlay" 2>/dev/null || true
}

# build PLATFORM DEB-ARCH RELEASE RUNTIME-PACKAGES
build() {
  local platform="$1" arch="$2" release="$3" base="$cache/base-$2-$3" holder
  need_packages "$arch" "$release"
  bash test/system/rootfs.sh "$arch" "$release" "$base" ca-certificates
  holder="$("${bud[@]}" from --platform "$platform" scratch)"
  "${bud[@]}" add -q "$holder" "$base" / >/dev/null
  "${bud[@]}" commit -q "$holder" "localhost/base:$arch" >/dev/null
  "${bud[@]}" bud --quiet --isolation chroot --platform "$platform" --pull=never --network host \
    --build-arg "BASE=localhost/base:$arch" --build-arg "RELEASE=$release" --build-arg "TSS=$4" \
    -t "localhost/tpe-agent:$arch" -f Dockerfile.arm .cache/packages >"$work/bud.log" 2>&1 || { tail -n 30 "$work/bud.log" >&2; fail "$platform does not build"; }
  check_image "$arch" "$base"
}

# node_kb TREE BASE: size of Node.js in the tree: of tpe-node, or of Debian's nodejs with what it alone depends on
node_kb() {
  local tree="$1" base="$2"
  if [ -d "$tree/usr/lib/tpe-node" ]; then
    du -sk "$tree/usr/lib/tpe-node" | cut -f1
    return
  fi
  local -A seen=()
  local queue=(nodejs) package names
  while [ "${#queue[@]}" -gt 0 ]; do
    package="${queue[0]}" queue=("${queue[@]:1}")
    [ -z "${seen[$package]:-}" ] && [ ! -e "$(echo "$base/var/lib/dpkg/info/$package"*.list | cut -d' ' -f1)" ] || continue
    seen[$package]=1
    mapfile -t names < <(dpkg-query --admindir="$tree/var/lib/dpkg" -W -f '${Pre-Depends}, ${Depends}' "$package" 2>/dev/null |
      tr ',' '\n' | sed 's/|.*//; s/(.*//; s/:[a-z0-9]*//; s/ //g' | grep .)
    queue+=("${names[@]}")
  done
  for package in "${!seen[@]}"; do
    dpkg-query --admindir="$tree/var/lib/dpkg" -L "$package" 2>/dev/null
  done | sort -u | while read -r file; do [ ! -f "$tree$file" ] || [ -L "$tree$file" ] || du -k "$tree$file"; done | awk '{ sum += $1 } END { print sum + 0 }'
}

check_image() {
  local arch="$1" base="$2" holder tree facts size
  holder="$("${bud[@]}" from --pull=never "localhost/tpe-agent:$arch")"
  tree="$("${bud[@]}" mount "$holder")"
  facts="$("${bud[@]}" inspect --type image "localhost/tpe-agent:$arch")"
  [ "$(field "$facts" OCIv1.config.User)" = 10001:10001 ] || fail "the image runs as root"
  [ -n "$(field "$facts" OCIv1.config.Labels)" ] || fail "the image has no labels"
  ! ls "$tree"/usr/bin/{gcc,g++,make,python3,npm} >/dev/null 2>&1 || fail "build tools are in the last stage"
  size="$(($(du -sk --exclude=./proc "$tree" | cut -f1) - $(du -sk "$base" | cut -f1) - $(node_kb "$tree" "$base")))"
  step "$arch: built; $((size / 1024)) MB besides Node.js ($(($(node_kb "$tree" "$base") / 1024)) MB) and the base image"
  [ $((size * 1024)) -lt "$LIMIT" ] || fail "the image adds $size KB"
  run_image "$arch" "$tree"
}

run_image() {
  local arch="$1" tree="$2" box="$work/box"
  mkdir -p "$box" "$work/$arch"/{state,run,box}
  mount --bind "$tree" "$box"
  mount -o remount,bind,ro "$box"
  mount -t proc proc "$box/proc"
  mount --rbind /dev "$box/dev"
  mount -t tmpfs tmpfs "$box/tmp"
  chown 10001:10001 "$work/$arch"/{state,run}
  mount --bind "$work/$arch/state" "$box/var/lib/tpe-agent"
  mount --bind "$work/$arch/run" "$box/run/tpe-agent"
  printf '[tpm]\ntcti = "swtpm:host=127.0.0.1,port=%s"\n[api]\nport = 0\n[discovery]\nport = 0\naddress = "127.0.0.1"\n' "$port" >"$box/tmp/config.toml"
  as_user() { chroot --userspec=10001:10001 "$box" env -i PATH=/usr/bin:/bin RUNTIME_DIRECTORY=/run/tpe-agent "$@"; }
  chroot --userspec=10001:10001 "$box" env -i RUNTIME_DIRECTORY=/run/tpe-agent /usr/lib/tpe-agent/node /usr/lib/tpe-agent/tpe-agent.cjs --config /tmp/config.toml >"$work/$arch/log" 2>&1 &
  agent=$!
  healthy() { as_user tpe-agentctl status --json --config /tmp/config.toml | grep -q '"running": *true'; }
  wait_for 120 "$arch: a healthy agent" healthy
  as_user tpe-agentctl ek --json --config /tmp/config.toml | grep -q endorsementKey || fail "$arch: no EK"
  kill "$agent" && wait "$agent" || fail "$arch: SIGTERM does not end the agent in order"
  agent=''
  umount "$box"/{proc,tmp,var/lib/tpe-agent,run/tpe-agent}
  umount -l "$box/dev"
  umount "$box"
  step "$arch: runs as user 10001 on a read-only root file system, is healthy, reads the EK, ends in order"
}

mkdir -p "$work/tpm"
port="$(free_port)"
swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --server "type=tcp,port=$port,bindaddr=127.0.0.1" \
  --ctrl "type=tcp,port=$((port + 1)),bindaddr=127.0.0.1" --flags not-need-init,startup-clear 2>>"$work/tpm.log" &
swtpm=$!
wait_for 10 "the software TPM" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
build linux/arm64 arm64 bookworm "libtss2-esys-3.0.2-0 libtss2-mu0 libtss2-tctildr0 libtss2-tcti-device0 libtss2-tcti-swtpm0"
build linux/arm/v7 armhf trixie "libtss2-esys-3.0.2-0t64 libtss2-mu-4.0.1-0t64 libtss2-tctildr0t64 libtss2-tcti-device0t64 libtss2-tcti-swtpm0t64 nodejs"
echo "system test (image): passed in $((SECONDS - started)) s"
