#!/usr/bin/env bash
# `npm run test:system`: the life of a gateway on a booted Debian, on one machine after the other.
#   npm run test:system                     arm64 in QEMU, with a kernel TPM driver
#   npm run test:system -- VARIANT…         nspawn | amd64 | arm64 | armhf | packages | image | all
#   TPE_STEPS="watchdog reset" npm run test:system -- arm64   only these steps, and what they need
# Root file systems, packages and Node.js are kept in .cache and made when absent.
set -euo pipefail
here="$(dirname "$0")"
[ $# -gt 0 ] || set -- arm64
[ "$1" != all ] || set -- packages nspawn amd64 arm64 armhf image
for variant in "$@"; do
  case "$variant" in
    nspawn | amd64 | arm64 | armhf) bash "$here/walk.sh" "$variant" ;;
    packages | image) bash "$here/$variant.sh" ;;
    *) echo "test:system: unknown variant $variant (nspawn, amd64, arm64, armhf, packages, image or all)" >&2; exit 2 ;;
  esac
done
