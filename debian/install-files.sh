#!/bin/sh
# Puts the built files into the packages' trees. What differs from package to package is which programs it holds.
set -eu

# program PACKAGE NAME: one bundle, with a launcher of that name.
program() {
  install -d "debian/$1/usr/lib/$1"
  # Started by the launcher only, which knows the Node.js that fits.
  sed '1{/^#!/d}' "dist/$2.cjs" >"debian/$1/usr/lib/$1/$2.cjs"
  chmod 0644 "debian/$1/usr/lib/$1/$2.cjs"
  install -d "debian/$1/usr/bin"
  sed "s#@PROGRAM@#/usr/lib/$1/$2.cjs#; s#@NODE@#/usr/lib/$1/node#" debian/program.sh >"debian/$1/usr/bin/$2"
  chmod 0755 "debian/$1/usr/bin/$2"
}

# common PACKAGE: launcher of Node.js, notices, inventory.
common() {
  install -D -m 0755 debian/node.sh "debian/$1/usr/lib/$1/node"
  install -D -m 0644 dist/THIRD-PARTY-NOTICES.txt "debian/$1/usr/share/doc/$1/THIRD-PARTY-NOTICES.txt"
  install -D -m 0644 dist/sbom.cdx.json "debian/$1/usr/share/doc/$1/sbom.cdx.json"
}

program tpe-agent tpe-agent
program tpe-agent tpe-agentctl
common tpe-agent
install -m 0644 dist/tpe-agent.code.cjs dist/tpe_tpm.node dist/tpe_system.node debian/tpe-agent/usr/lib/tpe-agent/
install -d debian/tpe-agent/usr/lib/tpe-agent/services.d
install -m 0644 systemd/services.d/*.toml debian/tpe-agent/usr/lib/tpe-agent/services.d/
install -D -m 0644 systemd/config.toml debian/tpe-agent/etc/tpe-agent/config.toml
install -d debian/tpe-agent/usr/lib/udev/rules.d
install -m 0644 systemd/60-tpe-agent.rules debian/tpe-agent/usr/lib/udev/rules.d/

program tpe-provision tpe-provision
common tpe-provision
program tpe-cloud-emulator tpe-cloud-emulator
common tpe-cloud-emulator
