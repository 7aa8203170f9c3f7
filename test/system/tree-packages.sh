#!/usr/bin/env bash
# Prints what the root file system of a test machine holds: tree-packages.sh ARCH RELEASE
# The agent's dependencies are in it, so that its package installs without a network.
set -euo pipefail
base=systemd,systemd-sysv,systemd-timesyncd,dbus,udev,kmod,iproute2,openssh-server,tpm2-tools
case "$2" in
  bookworm) tss=libtss2-esys-3.0.2-0,libtss2-mu0,libtss2-tctildr0,libtss2-tcti-device0,libtss2-tcti-swtpm0 dw=libdw1 node= ;;
  trixie) tss=libtss2-esys-3.0.2-0t64,libtss2-mu-4.0.1-0t64,libtss2-tctildr0t64,libtss2-tcti-device0t64,libtss2-tcti-swtpm0t64 dw=libdw1t64 node=,nodejs ;;
  *) echo "tree-packages: unknown release $2 (bookworm or trixie)" >&2; exit 2 ;;
esac
# The cloud kernel has the driver of QEMU's TPM; for armhf it is the arm64 tree's.
case "$1" in
  armhf) kernel= ;;
  *) kernel=,linux-image-cloud-$1 ;;
esac
echo "$base,$tss,tpm-udev,libstdc++6,libatomic1$kernel,ca-certificates,procps,curl,nftables,busybox-static,libubootenv-tool,$dw$node"
