#!/usr/bin/env bash
# Walks the life of a gateway, from factory init to factory reset and purge, on a booted Debian with systemd; cloud and
# integrator are on the other end of its wire: walk.sh nspawn|amd64|arm64|armhf
here="$(dirname "${BASH_SOURCE[0]}")"
. "$here/lib.sh"
case "$1" in
  nspawn) . "$root/test/system/machine-nspawn.sh" ;;
  *) ARCH="$1" && . "$root/test/system/machine-qemu.sh" ;;
esac
for part in install factory commissioning services power watchdog bad-input end; do . "$root/test/system/walk/$part.sh"; done

machine_prepare
step "packages and disk are there"
machine_start
step "Debian has booted: $(inside uname -srm)"
start_cloud
walk_install
walk_factory
walk_upgrade
walk_commissioning
walk_helper
walk_services
walk_reboot
walk_services_after_reboot
walk_settings_cut
walk_support
walk_watchdog
walk_bad_input
walk_cleared
walk_reset
walk_removal
echo "system test ($machine_title): passed in $((SECONDS - started)) s"
