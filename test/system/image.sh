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
  umount -R -l "$work/box" 2>/dev/null || true
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
  "${bud[@]}" bud --quiet --format docker --isolation chroot --platform "$platform" --pull=never --network host \
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
  [ "$(field "$facts" Docker.config.User)" = 10001:10001 ] || fail "the image runs as root"
  [ -n "$(field "$facts" Docker.config.Labels)" ] || fail "the image has no labels"
  ! ls "$tree"/usr/bin/{gcc,g++,make,python3,npm} >/dev/null 2>&1 || fail "build tools are in the last stage"
  size="$(($(du -sk --exclude=./proc "$tree" | cut -f1) - $(du -sk "$base" | cut -f1) - $(node_kb "$tree" "$base")))"
  step "$arch: built; $((size / 1024)) MB besides Node.js ($(($(node_kb "$tree" "$base") / 1024)) MB) and the base image"
  [ $((size * 1024)) -lt "$LIMIT" ] || fail "the image adds $size KB"
  run_image "$arch" "$tree"
}

# words FACTS NAME…: one a line, the words of the image's own configuration
words() {
  node -e 'const [facts, ...names] = process.argv.slice(1); const { config } = JSON.parse(facts).Docker;
    for (const name of names) for (const word of name.split(".").reduce((at, key) => at[key], config)) console.log(word)' "$@"
}

run_image() {
  local arch="$1" tree="$2" box="$work/box"
  local environment start health
  mapfile -t environment < <(words "$facts" Env)
  mapfile -t start < <(words "$facts" Entrypoint Cmd)
  # The first word says that the rest is no line for a shell.
  mapfile -t health < <(words "$facts" Healthcheck.Test | tail -n +2)
  [ "${#start[@]}" -gt 1 ] && [ "${#health[@]}" -gt 1 ] || fail "$arch: no entry point or no health check"
  mkdir -p "$box" "$work/$arch"/{state,run,box}
  mount --bind "$tree" "$box"
  mount -o remount,bind,ro "$box"
  mount -t proc proc "$box/proc"
  # A slave: what is unmounted here stays mounted in /dev.
  mount --rbind --make-rslave /dev "$box/dev"
  mount -t tmpfs tmpfs "$box/tmp"
  chown 10001:10001 "$work/$arch"/{state,run}
  mount --bind "$work/$arch/state" "$box/var/lib/tpe-agent"
  mount --bind "$work/$arch/run" "$box/run/tpe-agent"
  # Serial number and addresses as docs/guides/docker.md says: a container does not see those of the machine.
  printf '[device]\nserialNumber = "TAICB1046771"\nmacAddress = "00:90:e8:79:46:b5"\nmodelName = "UC"\n[tpm]\ntcti = "swtpm:host=127.0.0.1,port=%s"\n[api]\nport = 0\n[discovery]\nport = 0\naddress = "127.0.0.1"\n' "$port" >"$work/$arch/config.toml"
  mount --bind "$work/$arch/config.toml" "$box/etc/tpe-agent/config.toml"
  as_user() { chroot --userspec=10001:10001 "$box" env -i "${environment[@]}" "$@"; }
  # Not through a function: the process is the agent itself.
  chroot --userspec=10001:10001 "$box" env -i "${environment[@]}" "${start[@]}" >"$work/$arch/log" 2>&1 &
  agent=$!
  wait_for 180 "$arch: a healthy agent" as_user "${health[@]}"
  as_user tpe-agentctl ek --json | grep -q endorsementKey || fail "$arch: no EK"
  kill "$agent" && wait "$agent" || fail "$arch: SIGTERM does not end the agent in order"
  agent=''
  umount -R -l "$box"
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
