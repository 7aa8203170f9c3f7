#!/usr/bin/env bash
# `npm run test:system`: the life of a gateway on a booted Debian.
set -euo pipefail
exec bash "$(dirname "$0")/nspawn.sh" "$@"
