#!/usr/bin/env bash
# Installs what is missing of the Debian packages in the given lists: apt-install.sh LIST…
# A line may name alternatives (Debian renamed libraries for 64-bit time): the first that exists counts. Does nothing,
# and needs no privilege, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s: %s\n' "${TPE_SAY:-apt-install}" "$*" >&2; }

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
done < <(cat "$@")
[ "${#missing[@]}" -gt 0 ] || exit 0

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
mkdir -p .cache
"${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${chosen[@]}" >.cache/apt.log 2>&1 ||
  { tail -n 20 .cache/apt.log >&2; say "apt-get install failed: .cache/apt.log"; exit 1; }
