#!/usr/bin/env bash
# Builds the addons for one architecture and Debian release on an amd64 machine:
#   scripts/cross-build.sh amd64|arm64|armhf [bookworm|trixie]
# Result: .cache/cross/RELEASE-ARCH/{tpe_tpm.node,tpe_system.node,depends}. `depends` is the Depends line for it.
set -euo pipefail
cd "$(dirname "$0")/.."
arch="${1:?usage: cross-build.sh amd64|arm64|armhf [bookworm|trixie]}"
release="${2:-bookworm}"

case "$arch" in
  amd64) triplet=x86_64-linux-gnu node_arch=x64 elf='ELF 64-bit LSB shared object, x86-64' ;;
  arm64) triplet=aarch64-linux-gnu node_arch=arm64 elf='ELF 64-bit LSB shared object, ARM aarch64' ;;
  armhf) triplet=arm-linux-gnueabihf node_arch=arm elf='ELF 32-bit LSB shared object, ARM, EABI5' ;;
  *) echo "cross-build: unknown architecture $arch (amd64, arm64 or armhf)" >&2; exit 2 ;;
esac
command -v "$triplet-g++" >/dev/null || { echo "cross-build: install g++-${triplet//_/-}" >&2; exit 1; }

work="$PWD/.cache/cross/$release-$arch"
apt_root="$PWD/.cache/cross/apt-$release-$arch"
sysroot="$work/sysroot"
mkdir -p "$work"

# 1. The target's libraries, fetched through an apt of its own that leaves the machine's alone.
fetch_sysroot() {
  rm -rf "$sysroot" "$apt_root"
  mkdir -p "$sysroot" "$work/debs" "$apt_root"/{state/lists/partial,cache/archives/partial,etc/preferences.d,dpkg}
  : >"$apt_root/dpkg/status"
  bash scripts/debian-source.sh "$release" >"$apt_root/etc/debian.list"
  cat >"$apt_root/apt.conf" <<CONF
APT::Architecture "$arch";
APT::Architectures "$arch";
APT::Sandbox::User "root";
Dir::State "$apt_root/state";
Dir::State::status "$apt_root/dpkg/status";
Dir::Cache "$apt_root/cache";
Dir::Etc::sourcelist "$apt_root/etc/debian.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "$apt_root/etc/preferences.d";
CONF
  export APT_CONFIG="$apt_root/apt.conf"
  apt-get -qq update
  # libtss2-dev and all the libraries under it, without the C and C++ headers: those of another release do not fit this
  # machine's cross compiler.
  local names
  names="$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    libtss2-dev libstdc++6 libatomic1 | grep -E '^lib' |
    grep -vE '^(libc6-dev|libc-dev-bin|libcrypt-dev|libgcc-.*-dev|libstdc\+\+-.*-dev)' | sort -u)"
  (cd "$work/debs" && rm -f ./*.deb && apt-get -qq download $names)
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$sysroot"; done
  unset APT_CONFIG
}
if [ ! -f "$work/sysroot.done" ]; then
  fetch_sysroot
  touch "$work/sysroot.done"
fi

# 2. Compile, in a folder of its own, because node-gyp always builds into ./build.
build="$work/build"
rm -rf "$build"
mkdir -p "$build"
cp -r binding.gyp native package.json "$build/"
ln -s "$PWD/node_modules" "$build/node_modules"
prefix="$(dirname "$(dirname "$(node -p process.execPath)")")"
headers=()
[ -f "$prefix/include/node/node_api.h" ] && headers=("--nodedir=$prefix")
map="-ffile-prefix-map=$build=."
(
  cd "$build"
  export CC="$triplet-gcc" CXX="$triplet-g++" AR="$triplet-ar" LINK="$triplet-g++"
  export npm_config_arch="$node_arch"
  export PKG_CONFIG_SYSROOT_DIR="$sysroot" PKG_CONFIG_LIBDIR="$sysroot/usr/lib/$triplet/pkgconfig:$sysroot/usr/share/pkgconfig"
  export CFLAGS="-O2 -g0 $map" CXXFLAGS="-O2 -g0 $map"
  export LDFLAGS="-Wl,-rpath-link,$sysroot/usr/lib/$triplet -Wl,-rpath-link,$sysroot/lib/$triplet -Wl,--build-id=none"
  nice -n 10 node node_modules/node-gyp/bin/node-gyp.js rebuild --loglevel=warn --arch="$node_arch" "${headers[@]}" >"$work/build.log" 2>&1
) || { tail -n 30 "$work/build.log" >&2; exit 1; }

# 3. Check file type and needed libraries, and say which packages provide them.
for addon in tpe_tpm tpe_system; do
  "$triplet-strip" --strip-unneeded -o "$work/$addon.node" "$build/build/Release/$addon.node"
  file -b "$work/$addon.node" | grep -qF "$elf" || { echo "cross-build: $addon.node is not $elf" >&2; file "$work/$addon.node" >&2; exit 1; }
done
node scripts/cross-depends.mjs "$work" "$triplet" >"$work/depends"
echo "cross-build: $release $arch: $(stat -c %s "$work/tpe_tpm.node") + $(stat -c %s "$work/tpe_system.node") bytes, depends on $(cat "$work/depends")"
