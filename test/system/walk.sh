#!/usr/bin/env bash
# Walks the life of a gateway, from factory init to factory reset and purge, on a booted Debian with systemd; cloud and
# integrator are on the other end of its wire: walk.sh nspawn|amd64|arm64|armhf
# TPE_STEPS="watchdog bad_input" leaves out what is not named and not needed, to see one step again.
here="$(dirname "${BASH_SOURCE[0]}")"
. "$here/lib.sh"
case "$1" in
  nspawn) . "$root/test/system/machine-nspawn.sh" ;;
  *) ARCH="$1" && . "$root/test/system/machine-qemu.sh" ;;
esac
for part in install factory commissioning services power watchdog bad-input end; do . "$root/test/system/walk/$part.sh"; done

# Every later step needs these; the others can be left out.
needed=(install factory commissioning)
all=(install factory upgrade commissioning helper services reboot services_after_reboot settings_cut support watchdog bad_input cleared owner reset removal)
read -ra wanted <<<"${TPE_STEPS:-${all[*]}}"
for each in "${wanted[@]}"; do [[ " ${all[*]} " == *" $each "* ]] || fail "TPE_STEPS: no step $each; there are: ${all[*]}"; done

machine_prepare
step "packages and disk are there"
machine_start
step "Debian has booted: $(inside uname -srm)"
start_cloud
for each in "${all[@]}"; do
  [[ " ${needed[*]} ${wanted[*]} " != *" $each "* ]] || "walk_$each"
done
echo "system test ($machine_title): passed in $((SECONDS - started)) s"
