#!/usr/bin/env bash
# Makes a Debian root file system for tests: rootfs.sh ARCH SUITE FOLDER PACKAGE[,PACKAGE…]
# Kept until the list of packages changes. Foreign architectures run under user-mode emulation (binfmt_misc).
set -euo pipefail
arch="$1" suite="$2" folder="$3" packages="$4"

stamp="$folder.stamp"
want="$arch $suite $packages"
if [ -d "$folder" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then exit 0; fi
[ "$(id -u)" -eq 0 ] || { echo "rootfs.sh: making a root file system needs root" >&2; exit 1; }

if [ "$arch" != "$(dpkg --print-architecture)" ] && ! arch-test "$arch" >/dev/null 2>&1; then
  mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  /usr/lib/systemd/systemd-binfmt qemu-aarch64.conf qemu-arm.conf
  arch-test "$arch" >/dev/null || { echo "rootfs.sh: programs of $arch do not run here" >&2; exit 1; }
fi

sources="$(mktemp)"
trap 'rm -f "$sources"' EXIT
bash "$(dirname "$0")/../../scripts/debian-source.sh" "$suite" >"$sources"

rm -rf --one-file-system "$folder"
mkdir -p "$(dirname "$folder")"
# INITRD=No: an initramfs made under emulation takes more than ten minutes, and nothing here uses it.
INITRD=No nice -n 10 mmdebstrap --variant=minbase --arch="$arch" --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$suite" "$folder" "$sources" >"$folder.log" 2>&1 || { tail -n 20 "$folder.log" >&2; exit 1; }
echo "$want" >"$stamp"
