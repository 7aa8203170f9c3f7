# Installing, the hardened unit at work, and upgrading. Sourced by walk.sh.

dpkg_i() { inside env DEBIAN_FRONTEND=noninteractive dpkg -i "$@" >>"$work/dpkg.log" 2>&1; }
must_install() { dpkg_i "$@" || { tail -n 30 "$work/dpkg.log" >&2; fail "dpkg -i $*"; }; }
agent_active() { inside systemctl is-active --quiet tpe-agent; }
# Between two starts there is none, and 0 would be the caller's own process group.
main_pid() {
  local pid
  pid="$(inside systemctl show -p MainPID --value tpe-agent)"
  [ "$pid" != 0 ] || fail "the agent does not run"
  echo "$pid"
}

write_settings() {
  cat >"$work/config.toml" <<CONFIG
[device]
serialNumber = "TAICB1046771"
modelName = "UC-8100A-ME-T-LX"
macAddress = "00:90:e8:79:46:b5"
[discovery]
${discovery_settings:-}
[azure]
trustedCaFile = "/etc/tpe-agent/cloud-ca.pem"
hubGateway = "$(field "$cloud" hub)"
dpsHosts = ["$PLANT"]
${1:-}
CONFIG
  put "$work/config.toml" /etc/tpe-agent/config.toml
}

walk_install() {
  inside sh -c 'ls /root/tpe-node_*.deb' >/dev/null 2>&1 && must_install "$(inside sh -c 'ls /root/tpe-node_*.deb')"
  must_install /root/old.deb
  [ "$(inside systemctl is-enabled tpe-agent)" = enabled ] || fail "the service is not enabled"
  put "$(field "$cloud" ca)" /etc/tpe-agent/cloud-ca.pem
  write_settings
  inside systemctl restart tpe-agent
  wait_for 120 "READY=1" agent_active

  local exposure unit limit
  for unit in "tpe-agent 1.7" "tpe-device-facts 1.7" "tpe-helper 1.7"; do
    limit="${unit#* }" unit="${unit% *}.service"
    exposure="$(inside systemd-analyze security --no-pager "$unit" | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')"
    awk -v a="$exposure" -v b="$limit" 'BEGIN { exit !(a != "" && a <= b) }' || fail "$unit: exposure ${exposure:-unknown}, allowed is $limit"
    step "$unit: exposure $exposure"
  done
  [ "$(inside systemctl show -p User --value tpe-agent)" = tpe-agent ] || fail "the agent does not run as its own user"
  [ "$(inside stat -c '%U %a' /var/lib/tpe-agent)" = "tpe-agent 700" ] || fail "the state folder is open"
  inside runuser -u nobody -- tpe-agentctl status >/dev/null 2>&1 && fail "anybody may use the control socket"
  [ "$(inside systemctl --failed --no-legend --plain | grep -c tpe-)" = 0 ] || fail "a unit failed: $(inside systemctl --failed --no-legend)"
  walk_hardening
}

# The restrictions that hold for the running process, as the kernel tells them.
walk_hardening() {
  local status
  status="$(inside cat "/proc/$(main_pid)/status")"
  grep -qE '^CapEff:\s0+$' <<<"$status" || fail "the agent has capabilities"
  grep -qE '^CapBnd:\s0+$' <<<"$status" || fail "the agent could gain capabilities"
  grep -qE '^NoNewPrivs:\s1$' <<<"$status" || fail "the agent may gain privileges"
  grep -qE '^Seccomp:\s2$' <<<"$status" || fail "no system call filter"
  machine_confined
  # Each of these is open to the same user without the unit.
  local pid
  pid="$(main_pid)"
  inside nsenter -t "$pid" -m -- sh -c 'touch /etc/tpe-agent/x' 2>/dev/null && fail "the agent may write to /etc"
  inside nsenter -t "$pid" -m -- sh -c 'test -w /root' 2>/dev/null && fail "the agent sees home folders"
  step "the hardened unit runs: no capabilities, no new privileges, system calls filtered, read-only file system"
}

walk_upgrade() {
  local password
  password="$(field "$record" initialPassword)"
  # dpkg dies in the middle: the files of the new version are there, its scripts did not run.
  inside dpkg --unpack "/root/$(basename "$agent_deb")" >>"$work/dpkg.log" 2>&1 || fail "unpacking"
  machine_cut
  machine_start
  step "the power was cut in the middle of the upgrade, and the machine boots"
  inside dpkg --configure -a >>"$work/dpkg.log" 2>&1 || { tail -n 20 "$work/dpkg.log" >&2; fail "dpkg --configure -a"; }
  wait_for 120 "the agent after the upgrade" agent_active
  ctl factory init --output /root/factory --json >/dev/null
  [ "$(field "$(inside cat /root/factory/TAICB1046771.json)" initialPassword)" = "$password" ] || fail "the upgrade lost the state"
  inside grep -q cloud-ca.pem /etc/tpe-agent/config.toml || fail "the upgrade lost the settings"
  [ "$(inside dpkg-query -W -f '${Status}' tpe-agent)" = "install ok installed" ] || fail "the package is not installed"
  step "upgrade: state and settings are kept"
}
