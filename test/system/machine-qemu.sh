# A real machine, emulated: QEMU (TCG) with a kernel TPM driver on a software TPM, Debian with systemd, a disk that a
# power cut leaves as it is. Sourced, with ARCH amd64, arm64 or armhf (a 32-bit user land on the 64-bit kernel).
case "$ARCH" in
  amd64) release=bookworm kernel_of=amd64 qemu=qemu-system-x86_64 console=ttyS0 ;;
  arm64) release=bookworm kernel_of=arm64 qemu=qemu-system-aarch64 console=ttyAMA0 ;;
  # Debian 13, whose own Node.js is new enough: there is no other source of one for armhf.
  armhf) release=trixie kernel_of=arm64 qemu=qemu-system-aarch64 console=ttyAMA0 ;;
  *) echo "machine-qemu: unknown architecture $ARCH (amd64, arm64 or armhf)" >&2; exit 2 ;;
esac
machine_title="$ARCH machine"
tpm_device=/dev/tpmrm0
machine=''
# By broadcast. A processor that is emulated needs longer for a sign of life.
discovery=(--seconds 5)
watchdog_sec=15
watchdog_tpm_sec=30
watchdog_soon_sec=6
# What a container does not enforce.
machine_confined() {
  local group=/sys/fs/cgroup/system.slice/tpe-agent.service
  [ "$(inside cat "$group/memory.max")" = 268435456 ] || fail "MemoryMax is not in force"
  [ "$(inside cat "$group/pids.max")" = 64 ] || fail "TasksMax is not in force"
  # A program in the unit's own confinement may open the TPM and no other device.
  inside systemd-run --quiet --wait --pipe -p DevicePolicy=closed -p "DeviceAllow=/dev/tpmrm0 rw" \
    sh -c 'exec 3<>/dev/tpmrm0 && ! dd if=/dev/vda of=/dev/null count=1 2>/dev/null' || fail "DevicePolicy is not in force"
}

ssh_options=(-F none -i "$work/ssh-key" -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
  -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ControlMaster=auto -o "ControlPath=$work/ssh-%C" -o ControlPersist=600)
inside() {
  local words
  printf -v words '%q ' "$@"
  # Nothing in the walk takes as long: a call that hangs is a failure, not the end of the walk's own progress.
  netns timeout --foreground 600 ssh "${ssh_options[@]}" "root@$GATEWAY" "LC_ALL=C.UTF-8 $words"
}

# make_initrd TREE FILE: static busybox and the modules that reach the disk; the rest is loaded by udev
make_initrd() {
  local tree="$1" version folder number=10 module
  version="$(ls "$tree/lib/modules")"
  folder="$work/initrd"
  mkdir -p "$folder"/{bin,modules,proc,sys,dev,root}
  cp "$tree/bin/busybox" "$folder/bin/"
  for module in $(for each in virtio_pci virtio_blk ext4; do modprobe -d "$tree" -S "$version" --show-depends "$each"; done |
    sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'); do
    # Debian 13 compresses modules.
    case "$module" in *.xz) xz -dc "$module" ;; *) cat "$module" ;; esac >"$folder/modules/$number-$(basename "$module" .xz)"
    number=$((number + 1))
  done
  cat >"$folder/init" <<'INIT'
#!/bin/busybox sh
b() { /bin/busybox "$@"; }
b mount -t proc proc /proc
b mount -t devtmpfs dev /dev
for module in /modules/*; do b insmod "$module"; done
until b mount -t ext4 /dev/vda /root 2>/dev/null; do b sleep 0.1; done
b umount /proc /dev
exec /bin/busybox switch_root /root /lib/systemd/systemd
INIT
  chmod 0755 "$folder/init"
  (cd "$folder" && find . -print0 | cpio --null --quiet -o -H newc) | gzip -1 >"$2"
}

machine_prepare() {
  local tree="$cache/$ARCH-$release" kernel_tree
  bash test/system/rootfs.sh "$ARCH" "$release" "$tree" "$(bash test/system/tree-packages.sh "$ARCH" "$release")"
  kernel_tree="$tree"
  if [ "$kernel_of" != "$ARCH" ]; then
    kernel_tree="$cache/$kernel_of-bookworm"
    bash test/system/rootfs.sh "$kernel_of" bookworm "$kernel_tree" "$(bash test/system/tree-packages.sh "$kernel_of" bookworm)"
  fi
  need_packages "$ARCH" "$release"

  cp "$kernel_tree"/boot/vmlinuz-* "$work/vmlinuz"
  make_initrd "$kernel_tree" "$work/initrd.gz"
  ssh-keygen -q -t ed25519 -N '' -f "$work/ssh-key"

  # What this run adds, as a layer over the cached tree, and the disk from both.
  mkdir -p "$work"/{upper,overlay,root}
  mount -t overlay overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/overlay" "$work/root"
  local guest="$work/root"
  [ "$kernel_tree" = "$tree" ] || cp -r "$kernel_tree/lib/modules" "$guest/usr/lib/"
  [ "$ARCH" = armhf ] || cp "$debs"/common/tpe-node_*_"$ARCH".deb "$guest/root/"
  cp "$agent_deb" "$work/old.deb" "$guest/root/"
  install -d -m 0700 "$guest/root/.ssh"
  install -m 0600 "$work/ssh-key.pub" "$guest/root/.ssh/authorized_keys"
  echo gateway >"$guest/etc/hostname"
  echo '127.0.0.1 localhost gateway' >"$guest/etc/hosts"
  printf '[Match]\nType=ether\n[Network]\nAddress=%s/24\n' "$GATEWAY" >"$guest/etc/systemd/network/10-wire.network"
  # The test's own way in, beside the SSH server that is switched off through the API.
  cat >"$guest/etc/systemd/system/test-sshd.service" <<'UNIT'
[Service]
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes
ExecStart=/usr/sbin/sshd -D -p 2222 -o UsePAM=no -o MaxSessions=50 -o MaxStartups=50
UNIT
  mkdir -p "$guest/etc/systemd/system/multi-user.target.wants"
  ln -s ../test-sshd.service "$guest/etc/systemd/system/multi-user.target.wants/test-sshd.service"
  ln -sf /lib/systemd/system/systemd-networkd.service "$guest/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
  # Looks for snapshots of LVM at every boot, for half a minute beside everything else.
  ln -sf /dev/null "$guest/etc/systemd/system/e2scrub_reap.service"
  mke2fs -q -t ext4 -d "$guest" "$work/disk.img" 2G
  umount "$work/root"

  ip netns add "$name"
  netns ip link set lo up
  netns ip tuntap add dev tap0 mode tap
  netns ip address add "$PLANT/24" brd + dev tap0
  netns ip link set tap0 up
  make_tpm
}

machine_start() {
  local options
  # The emulator of the TPM ends with the machine: a power cut takes both.
  swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --ctrl "type=unixio,path=$work/tpm.sock" --terminate &
  tpm=$!
  wait_for 10 "the software TPM" test -S "$work/tpm.sock"
  case "$qemu" in
    *x86_64) options=(-machine q35,accel=tcg -cpu max -device tpm-crb,tpmdev=tpm0) ;;
    *) options=(-machine virt,accel=tcg -cpu max,pauth-impdef=on -device tpm-tis-device,tpmdev=tpm0) ;;
  esac
  # Not through a function: its process id is what a power cut kills.
  ip netns exec "$name" "$qemu" "${options[@]}" -smp 2 -m 1024 -nodefaults -no-user-config -display none -serial chardev:console \
    -chardev "file,id=console,path=$work/console.log,append=on" \
    -kernel "$work/vmlinuz" -initrd "$work/initrd.gz" -append "console=$console quiet rw panic=5" -no-reboot \
    -drive "if=none,id=disk,file=$work/disk.img,format=raw" -device virtio-blk-pci,drive=disk \
    -netdev tap,id=wire,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=wire,romfile= \
    -device virtio-rng-pci -chardev "socket,id=tpm,path=$work/tpm.sock" -tpmdev emulator,id=tpm0,chardev=tpm >"$work/qemu.log" 2>&1 &
  machine=$!
  wait_for 240 "booting" inside true
  wait_for 240 "the end of booting" booted
}
booted() {
  [ -d "/proc/$machine" ] || fail "QEMU ended: $(cat "$work/qemu.log")"
  case "$(inside systemctl is-system-running)" in running | degraded) return 0 ;; *) return 1 ;; esac
}

forget_connection() { netns ssh "${ssh_options[@]}" -O exit "root@$GATEWAY" 2>/dev/null || true; }
machine_stop() {
  inside systemctl poweroff || true
  local limit=$((SECONDS + 120))
  while [ -d "/proc/$machine" ]; do
    [ $SECONDS -lt $limit ] || fail "the machine does not power off"
    sleep 0.3
  done
  wait "$machine" || true
  machine=''
  forget_connection
}
machine_cut() {
  [ -n "$machine" ] || return 0
  kill -KILL "$machine" 2>/dev/null || true
  wait "$machine" 2>/dev/null || true
  machine=''
  wait "$tpm" 2>/dev/null || true
  forget_connection
}
tpm_freeze() { kill -STOP "$tpm"; }
tpm_thaw() { kill -CONT "$tpm"; }
machine_diagnose() {
  tail -n 30 "$work/console.log"
  [ -z "$machine" ] || timeout 60 ip netns exec "$name" ssh "${ssh_options[@]}" "root@$GATEWAY" 'journalctl --no-pager -n 80 -u tpe-agent -u tpe-helper; dmesg | grep -i tpm' || true
}
machine_clean() { umount "$work/root" 2>/dev/null || true; }
