# The root helper at work, a reboot, and a power cut while settings are written. Sourced by walk.sh.

# Every verb goes through the hardened unit: a file that it may not write shows here, not in its score.
walk_helper() {
  login 'Plant-Passw0rd!'
  api PATCH /device/general '{"hostName":"plant-7"}' >/dev/null
  [ "$(inside hostname)" = plant-7 ] || fail "the host name was not set"
  api PATCH /device/time '{"timezone":"Asia/Taipei"}' >/dev/null
  [ "$(inside date +%Z)" = CST ] || fail "the time zone was not set"
  api PATCH /device/time "{\"ntp\":{\"server\":\"$PLANT\"}}" >/dev/null
  inside grep -rq "^NTP=$PLANT" /etc/systemd/timesyncd.conf.d || fail "the time server was not set"
  api PATCH /system/sshserver '{"port":2022}' >/dev/null
  wait_for 30 "the SSH server on its new port" netns bash -c "exec 3<>/dev/tcp/$GATEWAY/2022"
  api PATCH /system/sshserver '{"port":22}' >/dev/null
  wait_for 30 "the SSH server on its old port" netns bash -c "exec 3<>/dev/tcp/$GATEWAY/22"
  step "the root helper sets host name, time zone, time server and the port of SSH"
}

walk_reboot() {
  local answer
  answer="$(api PUT /system/services/sshserver/disable)"
  [ "$(inside systemctl is-enabled ssh)" = disabled ] || fail "the service was not disabled: $answer; $(inside systemctl is-enabled ssh)"
  machine_stop
  step "powered off"
  machine_start
  step "booted again"
  wait_for 240 "connecting after the reboot" state_is connected
  [ "$(registrations)" = 0 ] || fail "a reboot asked DPS"
  # The helper works beside the rest of the boot; until it has, nobody listens there.
  closed() { [[ "$(inside nft list table inet tpe_agent)" =~ dport\ (\{\ )?22(,[^\}]*\})?\ *drop ]]; }
  wait_for 180 "the firewall that closes port 22" closed
  inside systemctl is-active --quiet ssh && fail "a disabled service is started at boot"
  login 'Plant-Passw0rd!'
  services="$(api GET /system/services)"
  [ "$(node -e 'const s = JSON.parse(process.argv[1]).data; console.log(Object.values(s).flat().find((x) => x.id === "sshserver").enable)' "$services")" = false ] || fail "the disabled service is wanted again"
  port_answers 22 && fail "port 22 is open"
  step "rebooted: connected without DPS, and the disabled service stays disabled"
}

walk_settings_cut() {
  local number=0
  : >"$work/acknowledged"
  (
    while number=$((number + 1)) && api PATCH /device/general "{\"description\":\"number $number\"}" >/dev/null 2>&1; do
      echo "$number" >>"$work/acknowledged"
    done
  ) &
  local writer=$!
  pids+=("$writer")
  enough() { [ "$(wc -l <"$work/acknowledged")" -ge 5 ]; }
  wait_for 120 "writing settings" enough
  machine_cut
  kill "$writer" 2>/dev/null || true
  wait "$writer" 2>/dev/null || true
  machine_start
  wait_for 240 "connecting after the power cut" state_is connected
  login 'Plant-Passw0rd!'
  local last found
  last="$(tail -n 1 "$work/acknowledged")"
  found="$(field "$(api GET /device/general)" data.description)"
  [ "$found" = "number $last" ] || [ "$found" = "number $((last + 1))" ] || fail "number $last was acknowledged, \"$found\" survived"
  step "the power was cut while settings were written: what was acknowledged is there ($found)"
}
