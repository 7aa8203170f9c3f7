#!/usr/bin/env bash
# Prints a line for apt: the main archive of a Debian release from the mirror that this machine uses: debian-source.sh RELEASE
# The release itself without its updates: what links against it runs with every update, and the same packages come
# tomorrow.
set -euo pipefail
uri="$(sed -n 's/^URIs: *\([^ ]*\/debian\)\/*$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)"
[ -n "$uri" ] || uri="$(sed -n 's/^deb  *\(\[[^]]*\]  *\)\{0,1\}\([^ ]*\/debian\)\/* .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1)"
[ -n "$uri" ] || { echo "debian-source: apt on this machine names no Debian mirror: add one under /etc/apt/sources.list.d" >&2; exit 1; }
echo "deb $uri $1 main"
