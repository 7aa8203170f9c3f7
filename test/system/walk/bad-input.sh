# What operators and disks do. Sourced by walk.sh.

said() { inside journalctl --no-pager -o cat -u tpe-agent --since "$since" | grep -qF -- "$1"; }

walk_bad_input() {
  login 'Plant-Passw0rd!'
  since="$(now_inside)"
  sed 's/^modelName = .*/modelNaem = "x"/' "$work/config.toml" >"$work/mistake.toml"
  put "$work/mistake.toml" /etc/tpe-agent/config.toml
  inside systemctl reload tpe-agent
  wait_for 60 "the refusal of the changed settings" said SETTINGS_INVALID
  said 'device.modelNaem' || fail "the mistake's key is not named"
  [ "$(field "$(api GET /provisioning)" data.state)" = connected ] || fail "a mistake in reloaded settings ended the connection"
  inside systemctl stop tpe-agent
  since="$(now_inside)"
  inside systemctl start --no-block tpe-agent
  wait_for 60 "the refusal at start" said 'what to do:'
  said 'device.modelNaem' || fail "the mistake's key is not named at start"
  agent_active && fail "started with a mistake in its settings"
  inside journalctl --no-pager -o cat -p err -u tpe-agent --since "$since" >"$work/errors"
  grep -q 'error SETTINGS_INVALID: /etc/tpe-agent/config.toml:[0-9]*: device.modelNaem' "$work/errors" || fail "the journal has no such error"
  told_in_status() { inside systemctl show -p StatusText --value tpe-agent | grep -q SETTINGS_INVALID; }
  wait_for 60 "the mistake in the status of the unit" told_in_status
  write_settings
  wait_for 120 "the start with mended settings, by itself" agent_active
  step "settings with a mistake: key and line named, nothing started half-way, mended without a restart by hand"

  since="$(now_inside)"
  inside sh -c 'mount --bind /var/lib/tpe-agent /var/lib/tpe-agent && mount -o remount,bind,ro /var/lib/tpe-agent'
  inside systemctl restart --no-block tpe-agent
  wait_for 60 "the message on a read-only disk" said FILE_WRITE_FAILED
  wait_for 240 "connecting on a read-only disk" state_is connected
  inside systemctl stop tpe-agent
  inside umount /var/lib/tpe-agent
  inside systemctl start tpe-agent
  wait_for 240 "connecting with the disk mended" state_is connected
  step "a read-only disk: named, and the gateway stays connected and manageable"

  # Full: the state lies on a disk of its own without a free block.
  since="$(now_inside)"
  inside sh -c 'set -e; systemctl stop tpe-agent; cp -a /var/lib/tpe-agent /root/state; mount -t tmpfs -o size=1m,mode=0700 tmpfs /var/lib/tpe-agent; cp -a /root/state/. /var/lib/tpe-agent/; chown tpe-agent: /var/lib/tpe-agent; dd if=/dev/zero of=/var/lib/tpe-agent/filler bs=4k 2>/dev/null || true'
  inside systemctl start tpe-agent
  wait_for 240 "connecting on a full disk" state_is connected
  local status
  status="$(netns curl -sk --max-time 60 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(login 'Plant-Passw0rd!'; echo "$token")" \
    -X PATCH -H 'Content-Type: application/json' -d "{\"description\":\"$(printf 'x%.0s' $(seq 400))\"}" "https://$GATEWAY:8443/api/v1/device/general")"
  [ "$status" -ge 500 ] || fail "a change was accepted (HTTP $status) that the full disk has no room for"
  inside sh -c 'systemctl stop tpe-agent; umount /var/lib/tpe-agent; rm -r /root/state; systemctl start tpe-agent'
  wait_for 240 "connecting with room on the disk" state_is connected
  step "a full disk: connected, changes are refused instead of half written"

  # Another agent on the same state, as the same user.
  inside sh -c 'runuser -u tpe-agent -- tpe-agent --config /etc/tpe-agent/config.toml' >"$work/second.log" 2>&1 && fail "a second agent started"
  grep -q STATE_IN_USE "$work/second.log" || fail "the second agent does not say why: $(cat "$work/second.log")"
  state_is connected || fail "the second agent disturbed the first"
  step "a second instance: refused, the first goes on"
}
