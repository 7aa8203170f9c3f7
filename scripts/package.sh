#!/usr/bin/env bash
# Builds the Debian packages for one architecture and release on an amd64 machine:
#   scripts/package.sh amd64|arm64|armhf [bookworm|trixie] [VERSION]
#   scripts/package.sh all                 every architecture and release, and Node.js for those that need it
# Result: .cache/packages/RELEASE/*.deb. The same sources give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
arch="${1:?usage: package.sh all | amd64|arm64|armhf [bookworm|trixie] [VERSION]}"
if [ "$arch" = all ]; then
  for release in bookworm trixie; do
    for arch in amd64 arm64 armhf; do bash scripts/package.sh "$arch" "$release"; done
  done
  for arch in amd64 arm64; do bash scripts/package-node.sh "$arch"; done
  exit
fi
release="${2:-bookworm}"
version="${3:-$(node -p "require('./package.json').version")}"

case "$release" in
  bookworm) suffix=+deb12 ;;
  trixie) suffix=+deb13 ;;
  *) echo "package: unknown release $release (bookworm or trixie)" >&2; exit 2 ;;
esac

# dpkg clamps every time stamp in the packages to this.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)}"
export SOURCE_DATE_EPOCH

# One at a time: all builds share their folders.
mkdir -p .cache
exec 9>.cache/package.lock
flock 9

bash scripts/cross-build.sh "$arch" "$release"
node scripts/build.mjs
node scripts/notices.mjs

stage="$PWD/.cache/packages/stage-$release-$arch"
out="$PWD/.cache/packages/$release"
rm -rf "$stage"
mkdir -p "$stage/tpe-agent/dist" "$out"
cp -rL debian systemd docs/man "$stage/tpe-agent/"
cp dist/*.cjs dist/THIRD-PARTY-NOTICES.txt dist/sbom.cdx.json "$stage/tpe-agent/dist/"
cp ".cache/cross/$release-$arch"/{tpe_tpm.node,tpe_system.node,depends} "$stage/tpe-agent/dist/"
cat >"$stage/tpe-agent/debian/changelog" <<CHANGELOG
tpe-agent ($version$suffix) $release; urgency=medium

  * Built for $release; see the project's changelog.

 -- ThingsPro Edge Provisioning Maintainers <maintainers@tpe-agent.invalid>  $(date -Ru -d "@$SOURCE_DATE_EPOCH")
CHANGELOG

# Programs that are the same for every architecture are packed once, with the amd64 build.
kind=--build=any
[ "$arch" = amd64 ] && kind=--build=binary
(
  cd "$stage/tpe-agent"
  # -d: the bundles and addons are built already, so the build dependencies are this repository's own.
  DEB_BUILD_OPTIONS=nocheck nice -n 10 dpkg-buildpackage "$kind" -a"$arch" -d -us -uc >"$stage/build.log" 2>&1
) || { tail -n 40 "$stage/build.log" >&2; exit 1; }
cp "$stage"/*.deb "$out/"
ls -l "$stage"/*.deb | awk '{print "package: " $5 " bytes " $9}'
