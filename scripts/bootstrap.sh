#!/usr/bin/env bash
# Installs what building and testing need, and builds. Does nothing when all is there.
# A line of apt-packages.txt may name alternatives (Debian renamed libraries for 64-bit time): the first that exists counts.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'bootstrap: %s\n' "$*" >&2; }

if ! command -v node >/dev/null; then
  say "Node.js is missing. Install Node 22 (https://nodejs.org, or Debian 13's nodejs package for 20.19) and run this again."
  exit 1
fi
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
  say "Node.js $(node --version) is too old: 20.19 is the oldest that works, 22 is recommended (https://nodejs.org/en/download, or 'npm i -g n && n 22')."
  exit 1
fi

mkdir -p .cache
exec 9>.cache/bootstrap.lock
flock 9

# Both compare captured text: a pipe into "grep -q" fails under pipefail whenever grep is done first.
installed() { [[ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" == *'ok installed'* ]]; }
has_candidate() { [[ "$(LC_ALL=C apt-cache policy "$1" 2>/dev/null)" =~ Candidate:\ [0-9] ]]; }
missing=()
while read -r line; do
  line="${line%%#*}"
  [ -n "${line// /}" ] || continue
  found=no
  for name in $line; do if installed "$name"; then found=yes; fi; done
  [ "$found" = yes ] || missing+=("$line")
done <scripts/apt-packages.txt

if [ "${#missing[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null || { say "this machine has no apt-get. Install by hand: ${missing[*]}"; exit 1; }
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
      as_root=(sudo)
    else
      say "packages are missing and this user may not install them. As root, run:"
      say "  apt-get update && apt-get install -y ${missing[*]%% *}"
      exit 1
    fi
  fi
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 -o APT::Update::Lock::Timeout=300 -qq update
  chosen=()
  for line in "${missing[@]}"; do
    pick=
    for name in $line; do
      if [ -z "$pick" ] && has_candidate "$name"; then pick="$name"; fi
    done
    [ -n "$pick" ] || { say "no package source on this machine has any of: $line"; exit 1; }
    chosen+=("$pick")
  done
  "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${chosen[@]}" >.cache/apt.log 2>&1 ||
    { tail -n 20 .cache/apt.log >&2; say "apt-get install failed: .cache/apt.log"; exit 1; }
fi

# npm ci removes node_modules first, so it runs only when the lock file changed since the last time.
install_modules() {
  local folder="$1"; shift
  local stamp="$folder/node_modules/.tpe-lock"
  if ! cmp -s "$folder/package-lock.json" "$stamp"; then
    say "npm ci in $folder"
    (cd "$folder" && npm ci --include=dev --no-audit --no-fund --loglevel=error "$@" 9>&- >&2)
    cp "$folder/package-lock.json" "$stamp"
  fi
}
install_modules .
[ -f test/interop/package-lock.json ] && install_modules test/interop --ignore-scripts

node scripts/build.mjs 9>&-
