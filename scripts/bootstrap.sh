#!/usr/bin/env bash
# Installs what building and testing need, and builds. Does nothing when all is there.
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

TPE_SAY=bootstrap bash scripts/apt-install.sh scripts/apt-packages.txt 9>&-

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
