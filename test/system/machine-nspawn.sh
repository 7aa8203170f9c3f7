# The fast machine: Debian with systemd in a container whose /dev/tpm0 is a software TPM behind a pseudo-terminal.
# Sourced. Not enforced in a container: MemoryMax, DevicePolicy; the machine of machine-qemu.sh has them.
machine_title="amd64 container"
# Like /dev/tpm0, the pseudo-terminal has no resource manager.
tpm_device=/dev/tpm0
# Both ends of the wire are in one namespace: the kernel does not broadcast from one to the other.
discovery=(--target "$GATEWAY")
discovery_settings="address = \"$GATEWAY\""
machine_confined() { :; }
leader='' nspawn='' bridge='' swtpm=''

inside() { nsenter -t "$leader" -m -u -i -n -p -r -w -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }

machine_prepare() {
  local tree="$cache/amd64-bookworm"
  bash test/system/rootfs.sh amd64 bookworm "$tree" "$(bash test/system/tree-packages.sh amd64 bookworm)"
  need_packages amd64 bookworm
  # A copy-on-write layer over the cached tree.
  mkdir -p "$work"/{upper,overlay,root}
  mount -t overlay overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/overlay" "$work/root"
  echo '127.0.0.1 localhost' >"$work/root/etc/hosts"
  cp "$debs"/common/tpe-node_*_amd64.deb "$agent_deb" "$work/old.deb" "$work/root/root/"

  ip netns add "$name"
  netns ip link set lo up
  netns ip link add eth0 type veth peer name wire
  netns ip address add "$GATEWAY/24" dev eth0
  netns ip address add "$PLANT/24" dev wire
  netns ip link set wire up
  netns ip link set eth0 up

  make_tpm
  mkfifo "$work/bridge.in"
  exec 8<>"$work/bridge.in"
}

# The TPM loses its power together with the machine.
tpm_on() {
  swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --server "type=unixio,path=$work/tpm.sock" \
    --ctrl "type=unixio,path=$work/tpm.sock.ctrl" --flags not-need-init,startup-clear 8>&- 2>>"$work/tpm.log" &
  swtpm=$!
  wait_for 10 "the software TPM" test -S "$work/tpm.sock"
  python3 test/support/pty_tpm.py "$work/tpm.sock" <&8 >"$work/bridge.out" &
  bridge=$!
  wait_for 10 "the TPM's device file" test -s "$work/bridge.out"
  # What udev does on a machine with a real device.
  chgrp "$(sed -n 's/^tss:[^:]*:\([0-9]*\):.*/\1/p' "$work/root/etc/group")" "$(head -n 1 "$work/bridge.out")"
  chmod 0660 "$(head -n 1 "$work/bridge.out")"
}
tpm_off() {
  local pid
  for pid in $bridge $swtpm; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -f "$work/tpm.sock" "$work/tpm.sock.ctrl" "$work/bridge.out"
  bridge='' swtpm=''
}
# A chip that does not answer any more, and that does again.
tpm_freeze() { echo silent >&8 && wait_for 10 "the silence" grep -q silent "$work/bridge.out"; }
tpm_thaw() { echo answer >&8 && wait_for 10 "the end of the silence" grep -q answer "$work/bridge.out"; }

machine_start() {
  tpm_on
  script -qfec "exec systemd-nspawn --quiet -D $work/root --boot --register=no --keep-unit --capability=CAP_NET_ADMIN --network-namespace-path=/run/netns/$name --bind=$(head -n 1 "$work/bridge.out"):$tpm_device" "$work/console.log" </dev/null >/dev/null 2>&1 &
  nspawn=$!
  wait_for 30 "the container" find_leader
  find_leader
  wait_for 90 "booting" booted
}
# The container's init is the grandchild of script(1).
find_leader() {
  local child
  child="$(pgrep -P "$nspawn" -x systemd-nspawn)" && leader="$(pgrep -P "$child" -x systemd)"
}
booted() { case "$(inside systemctl is-system-running)" in running | degraded) return 0 ;; *) return 1 ;; esac; }
gone() { [ ! -d "/proc/$leader" ]; }

machine_stop() {
  kill -RTMIN+4 "$leader"
  wait_for 60 "powering off" gone
  wait "$nspawn" || true
  leader='' nspawn=''
  tpm_off
}
# Everything is killed at once. What the programs wrote stays in this machine's page cache: this cuts off the programs,
# not the disk; machine-qemu.sh does both.
machine_cut() {
  if [ -n "$nspawn" ]; then
    [ -z "$leader" ] || kill -KILL "$leader" 2>/dev/null || true
    wait "$nspawn" 2>/dev/null || true
  fi
  leader='' nspawn=''
  tpm_off
}
machine_diagnose() { [ -z "$leader" ] || inside journalctl --no-pager -n 80 -u tpe-agent -u tpe-helper || true; }
machine_clean() { umount "$work/root" 2>/dev/null || true; }
