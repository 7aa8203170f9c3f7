# Services of an integrator's own image: real units with ports, switched through the API. Sourced by walk.sh.

# own_service ID PORT FOLDER: a unit in FOLDER that listens on the port, and the catalogue file that maps the ID to it
own_service() {
  cat >"$work/$1.service" <<UNIT
[Unit]
Description=$1
[Service]
ExecStart=/usr/bin/busybox httpd -f -p $2 -h /run
[Install]
WantedBy=multi-user.target
UNIT
  cat >"$work/$1.toml" <<ENTRY
id = "$1"
group = "protocol"
displayName = "$1"
units = ["plant-$1.service"]
ports = ["tcp/$2"]
ENTRY
  put "$work/$1.service" "$3/plant-$1.service"
  put "$work/$1.toml" "/etc/tpe-agent/services.d/$1.toml"
}

port_answers() { netns timeout 3 bash -c "exec 3<>/dev/tcp/$GATEWAY/$1" 2>/dev/null; }
port_is_closed() { ! port_answers "$1"; }
# service_of ID: what the API says of it
service_of() {
  node -e 'console.log(JSON.stringify(Object.values(JSON.parse(process.argv[1]).data).flat().find((x) => x.id === process.argv[2])))' \
    "$(api GET /system/services)" "$1"
}

service_is() { [ "$(field "$(service_of "$1")" "$2")" = "$3" ]; }

# is_off UNIT: it neither runs, nor starts at boot, nor by hand; who tries hears it, and finds who did that
is_off() {
  [ "$(inside systemctl is-enabled "$1")" = disabled ] || fail "$1 is $(inside systemctl is-enabled "$1")"
  inside systemctl start "$1" 2>/dev/null && fail "$1 was started by hand"
  inside systemctl is-active --quiet "$1" && fail "$1 runs"
  [[ "$(inside systemctl status "$1" || true)" = *50-tpe-agent-off.conf* ]] || fail "nobody finds out why $1 does not start"
}

walk_services() {
  inside mkdir -p /etc/tpe-agent/services.d
  # One where packages put theirs, one where administrators do, and one that nobody has enabled.
  own_service modbusmaster 502 /lib/systemd/system
  own_service opcuaserver 4840 /etc/systemd/system
  own_service dnp3 20000 /lib/systemd/system
  inside systemctl daemon-reload
  inside systemctl enable --now plant-modbusmaster plant-opcuaserver 2>/dev/null
  inside nft 'table inet plant { chain input { type filter hook input priority 10; tcp dport 9 drop; }; }'
  local others
  others="$(inside nft list table inet plant)"
  # The catalogue is read at the start.
  inside systemctl restart tpe-helper.service
  inside systemctl restart tpe-agent
  wait_for 120 "connecting with the new catalogue" state_is connected
  login 'Plant-Passw0rd!'
  wait_for 20 "both services" port_answers 502
  wait_for 20 "both services" port_answers 4840
  wait_for 20 "the service in the API" service_is modbusmaster available true

  api PUT /system/services/modbusmaster/disable >/dev/null
  is_off plant-modbusmaster
  wait_for 20 "closing port 502" port_is_closed 502
  port_answers 4840 || fail "another service's port was closed"
  [ "$(inside nft list table inet plant)" = "$others" ] || fail "somebody else's table was touched"

  api PUT /system/services/opcuaserver/disable >/dev/null
  wait_for 20 "closing port 4840" port_is_closed 4840
  is_off plant-opcuaserver
  [ -z "$(field "$(service_of opcuaserver)" problem)" ] || fail "the API says $(service_of opcuaserver)"
  api PUT /system/services/opcuaserver/enable >/dev/null
  wait_for 20 "the unit in /etc again" port_answers 4840
  api PUT /system/services/dnp3/enable >/dev/null
  wait_for 20 "a unit that was never enabled before" port_answers 20000
  step "own units: stopped, kept from being started, ports closed; others and other people's rules stay"
}

walk_services_after_reboot() {
  inside systemctl is-active --quiet plant-modbusmaster && fail "a disabled service came back"
  port_is_closed 502 || fail "the port of a disabled service is open after the reboot"
  wait_for 60 "the enabled service" port_answers 4840
  service_is modbusmaster enable false || fail "the API says $(service_of modbusmaster)"
  api PUT /system/services/modbusmaster/enable >/dev/null
  wait_for 20 "the service again" port_answers 502
  [ "$(inside systemctl is-enabled plant-modbusmaster)" = enabled ] || fail "the unit is not enabled"
  # HTTPS is the way in: it cannot be switched off.
  local status
  status="$(netns curl -sk -o /dev/null -w '%{http_code}' -X PUT -H "Authorization: Bearer $token" "https://$GATEWAY:8443/api/v1/system/services/httpsservice/disable")"
  [ "$status" = 400 ] || fail "switching HTTPS off answers $status"
  step "own units after the reboot: as they were wanted, and enabled again"
}
