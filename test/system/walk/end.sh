# A cleared TPM, decommissioning, and removing the package. Sourced by walk.sh.

walk_cleared() {
  inside systemctl stop tpe-agent
  ctl ek --json >"$work/ek.json"
  [ "$(field "$(cat "$work/ek.json")" endorsementKey)" = "$(field "$record" endorsementKey)" ] || fail "another EK without the agent"
  [ "$(inside find /var/lib/tpe-agent ! -user tpe-agent | wc -l)" = 0 ] || fail "root left files in the state"
  # By the lock-out authorization, as an owner does it: the firmware of a PC keeps the platform hierarchy to itself.
  inside tpm2_clear -T device:$tpm_device -c l
  inside systemctl start tpe-agent
  wait_for 240 "registering after TPM2_Clear" state_is connected
  [ "$(registrations)" = 1 ] || fail "the cleared TPM did not register again"
  step "TPM cleared: registered again by itself"
}

# The drop-in of docs/guides/systemd.md: without a persistent SRK, a key of the owner's hierarchy has to be derived.
walk_owner() {
  local drop_in=/etc/systemd/system/tpe-agent.service.d
  inside systemctl stop tpe-agent
  inside tpm2_changeauth -T device:$tpm_device -c owner plant-owner
  since="$(now_inside)"
  inside systemctl start tpe-agent
  wait_for 120 "the refusal without the owner's authorization" said TPM_OWNER_AUTHORIZATION
  printf 'plant-owner' >"$work/owner-auth"
  put "$work/owner-auth" /etc/tpe-agent/tpm-owner-auth 0600
  printf '[Service]\nLoadCredential=tpm-owner-auth:/etc/tpe-agent/tpm-owner-auth\n' >"$work/drop-in"
  inside mkdir -p "$drop_in"
  put "$work/drop-in" "$drop_in/tpm-auth.conf"
  inside systemctl daemon-reload
  inside systemctl restart tpe-agent
  wait_for 240 "connecting with the owner's authorization" state_is connected
  [ "$(registrations)" = 0 ] || fail "an owner's authorization made the gateway register again"
  inside runuser -u tpe-agent -- cat /etc/tpe-agent/tpm-owner-auth >/dev/null 2>&1 && fail "the agent's user may read the file itself"
  ! inside journalctl --no-pager -o cat | grep -qF plant-owner || fail "the journal holds the owner's authorization"
  inside systemctl stop tpe-agent
  inside tpm2_changeauth -T device:$tpm_device -c owner -p plant-owner
  inside rm -r "$drop_in" /etc/tpe-agent/tpm-owner-auth
  inside systemctl daemon-reload
  inside systemctl start tpe-agent
  wait_for 240 "connecting without any authorization" state_is connected
  step "an owner's authorization: asked for by name, taken from a systemd credential, no new registration"
}

walk_reset() {
  ctl factory reset </dev/null >/dev/null 2>"$work/reset.log" && fail "a reset without a terminal asked nobody"
  grep -q CONFIRMATION_MISSING "$work/reset.log" || fail "the refused reset does not say why: $(cat "$work/reset.log")"
  ctl factory reset --yes >/dev/null
  as_new() { state_is unconfigured && [ "$(login_status "$password")" = 200 ]; }
  wait_for 240 "the reset" as_new
  [ "$(login_status 'admin@123')" = 401 ] || fail "the well-known password works after the reset"
  [ "$(login_status 'Plant-Passw0rd!')" = 401 ] || fail "the plant's password survived the reset"
  wait_for 60 "the SSH server, which the plant had switched off" inside systemctl is-active --quiet ssh
  [ "$(inside systemctl is-enabled ssh)" = enabled ] || fail "the SSH server is $(inside systemctl is-enabled ssh)"
  # Where the step with the plant's own units was walked: one that the plant had enabled first.
  if inside test -e /lib/systemd/system/plant-dnp3.service; then
    never_enabled() { [ "$(inside systemctl is-enabled plant-dnp3)" = disabled ] && ! inside systemctl is-active --quiet plant-dnp3; }
    wait_for 60 "the unit that nobody had enabled before the plant" never_enabled
    inside systemctl start plant-dnp3 || fail "a unit that the reset put back cannot be started"
  fi
  netns node "$root/dist/tpe-provision.cjs" discover --json "${discovery[@]}" | grep -q TAICB1046771 || fail "the reset gateway cannot be discovered"
  step "factory reset: as new, with the factory's own password, and discovered again"
}

walk_removal() {
  # What somebody leaves behind who switched services off: one that runs, and one that an administrator has masked.
  inside systemctl mask rsyslog.service 2>/dev/null
  if [[ " ${wanted[*]} " == *" reset "* ]]; then
    login "$password"
    api PUT /users/me/password '{"newPassword":"Plant-Passw0rd!"}' >/dev/null
  fi
  login 'Plant-Passw0rd!'
  api PUT /system/services/sshserver/disable >/dev/null
  api PUT /system/services/syslog/disable >/dev/null
  is_off ssh
  inside nft list table inet tpe_agent >/dev/null || fail "no port was closed"

  inside dpkg -r tpe-agent >>"$work/dpkg.log" 2>&1 || fail "removing"
  inside test -f /var/lib/tpe-agent/factory.json || fail "removing lost the state"
  inside test -f /etc/tpe-agent/config.toml || fail "removing lost the settings"
  is_off ssh
  inside dpkg -P tpe-agent >"$work/purge.log" 2>&1 || fail "purging: $(cat "$work/purge.log")"
  inside test ! -e /var/lib/tpe-agent || fail "purging left the state"
  inside test ! -e /etc/tpe-agent/config.toml || fail "purging left the settings"
  inside id tpe-agent >/dev/null || fail "purging took the user, whose number could be given to somebody else"
  [ -z "$(inside sh -c 'ls -d /run/tpe-* /etc/systemd/system/*/tpe-* /var/lib/tpe-* 2>/dev/null')" ] || fail "purging left: $(inside sh -c 'ls -d /run/tpe-* /etc/systemd/system/*/tpe-* /var/lib/tpe-*')"
  # Off as before, but the administrator's again.
  grep -q 'still disabled:.* ssh.service' "$work/purge.log" || fail "purging does not name what is off: $(cat "$work/purge.log")"
  inside systemctl is-active --quiet ssh && fail "purging started a service that was switched off"
  inside nft list table inet tpe_agent 2>/dev/null && fail "purging left ports closed"
  [ -z "$(inside sh -c 'ls /etc/systemd/system/*/50-tpe-agent* 2>/dev/null')" ] || fail "purging left drop-ins"
  inside systemctl enable --now ssh 2>/dev/null || fail "a service that was switched off cannot be switched on after the purge"
  inside systemctl is-active --quiet ssh || fail "the SSH server does not run"
  [ "$(inside readlink /etc/systemd/system/rsyslog.service)" = /dev/null ] || fail "purging took an administrator's mask"
  step "removed, then purged: what was switched off is off, and can be switched on"
}
