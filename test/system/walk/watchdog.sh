# What support asks for, and the three things whose standstill the watchdog sees. Sourced by walk.sh.

nothing_fails() {
  ctl check --json >"$work/check.json" || true
  node -e 'const { checks } = JSON.parse(require("fs").readFileSync(process.argv[1]));
    const bad = checks.filter(({ result }) => result === "failed" || result === "fatal");
    require("fs").writeFileSync(process.argv[2], bad.map(({ id, detail }) => `check: ${id}: ${detail}\n`).join(""));
    process.exit(checks.length >= 20 && bad.length === 0 ? 0 : 1);' "$work/check.json" "$work/check.bad"
}

walk_support() {
  login 'Plant-Passw0rd!'
  # More than once: on an emulated processor that still boots, an answer may be late.
  wait_for 240 "a check that finds nothing" nothing_fails
  step "check finds nothing that fails, the TPM's lock-out counter included"

  ctl logs bundle --output /root/logs.tar.gz >/dev/null
  mkdir "$work/logs"
  inside cat /root/logs.tar.gz | tar -xzf - -C "$work/logs"
  local secret
  # Everything secret that this run knows, the certificate's key and the password hashes included.
  for secret in "$password" 'Plant-Passw0rd!' "$(cat "$work/plant/policy-key")" "$token" 'PRIVATE KEY' '$scrypt$ln=' 'SharedAccessSignature sr=' \
    "$(inside cat /var/lib/tpe-agent/tls-key.pem | sed -n 2p)"; do
    [ -n "$secret" ] || fail "a secret of this run is not known"
    ! grep -rqF -- "$secret" "$work/logs" || fail "the bundle holds a secret: $(grep -rlF -- "$secret" "$work/logs")"
  done
  ! inside journalctl --no-pager -o cat | grep -qF -e "$password" -e 'Plant-Passw0rd!' || fail "the journal holds a password"
  step "the bundle for support holds no secret"
}

restarts() { inside systemctl show -p NRestarts --value tpe-agent; }
restarted() { [ "$(restarts)" -gt "$before" ]; }
# The agent said that this part is stuck, and systemd ended it for that.
stuck_in() {
  inside journalctl --no-pager -o cat -u tpe-agent --since "$since" >"$work/said"
  grep -F 'makes no progress' "$work/said" | grep -qF "\"part\":\"$1\"" && grep -q 'Watchdog timeout' "$work/said"
}

set_watchdog() {
  inside mkdir -p /etc/systemd/system/tpe-agent.service.d
  printf '[Service]\nWatchdogSec=%s\n' "$1" >"$work/drop-in"
  put "$work/drop-in" /etc/systemd/system/tpe-agent.service.d/watchdog.conf
  inside systemctl daemon-reload
}

walk_watchdog() {
  set_watchdog "${watchdog_sec:-4}"
  write_settings "[watchdog]
tpmSec = ${watchdog_tpm_sec:-10}"
  inside systemctl restart tpe-agent
  wait_for 240 "connecting with the short watchdog" state_is connected

  before="$(restarts)"
  inside kill -STOP "$(main_pid)"
  wait_for 120 "the watchdog on a frozen event loop" restarted
  wait_for 240 "connecting after it" state_is connected
  step "a frozen event loop: restarted by the watchdog, connected again"

  before="$(restarts)" since="$(now_inside)"
  tpm_freeze
  # Asks the TPM something; nothing of it comes back.
  (netns curl -sk --max-time 5 -H "Authorization: Bearer $(login 'Plant-Passw0rd!'; echo "$token")" "https://$GATEWAY:8443/api/v1/tpm" >/dev/null) || true
  wait_for 180 "the watchdog on a frozen TPM" stuck_in tpm
  tpm_thaw
  wait_for 180 "the restart" restarted
  wait_for 240 "connecting after it" state_is connected
  step "a TPM that does not answer: restarted by the watchdog, connected again"

  # Time-outs of its own end every step after 20 s; for this once the watchdog comes before them.
  set_watchdog "${watchdog_soon_sec:-4}"
  write_settings $'[watchdog]\nconnectionSec = 5'
  admin POST /faults '{"point":"hub-connect","action":{"type":"silence"}}' >/dev/null
  # A start by hand counts the restarts anew.
  before=0 since="$(now_inside)"
  inside systemctl restart tpe-agent
  wait_for 240 "the watchdog on a connection that does not come about" stuck_in lifecycle
  wait_for 180 "the restart" restarted
  admin DELETE /faults >/dev/null

  inside rm -r /etc/systemd/system/tpe-agent.service.d
  write_settings
  inside systemctl daemon-reload
  inside systemctl restart tpe-agent
  wait_for 240 "connecting with the usual watchdog" state_is connected
  step "a state machine that stands still: restarted by the watchdog; connected with the usual one"
}
