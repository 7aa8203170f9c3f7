# What the system tests share; sourced. Sets up a folder, a network namespace with the plant and the cloud in it, and
# cleans up after itself. A machine (machine-nspawn.sh, machine-qemu.sh) is sourced after this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root="$PWD"
cache="$root/.cache/system"
debs="$root/.cache/packages"

[ "$(id -u)" -eq 0 ] || { echo "test:system: booting a machine needs root" >&2; exit 1; }
TPE_SAY=test:system bash scripts/apt-install.sh scripts/apt-packages.txt test/system/apt-packages.txt

started=$SECONDS
# step TEXT: what has been shown, and when
step() { printf '%4d s  %s\n' $((SECONDS - started)) "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

work="$(mktemp -d /tmp/tpe-system.XXXXXX)"
name="tpe-system-$$"
# The wire between plant and gateway: the plant is .1, the gateway .2.
PLANT=10.77.0.1
GATEWAY=10.77.0.2
pids=()
cleanup() {
  local status=$?
  trap - EXIT
  set +e
  [ "$status" -eq 0 ] || machine_diagnose >&2
  machine_cut
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
  wait 2>/dev/null
  ip netns del "$name" 2>/dev/null
  machine_clean
  rm -rf --one-file-system "$work"
  exit "$status"
}
machine_diagnose() { :; }
machine_cut() { :; }
machine_clean() { :; }
trap cleanup EXIT
trap 'exit 130' INT TERM

netns() { ip netns exec "$name" "$@"; }
ctl() { inside tpe-agentctl "$@"; }
# field JSON NAME.NAME…
field() { node -e 'const v = process.argv[2].split(".").reduce((o, k) => o?.[k], JSON.parse(process.argv[1])); console.log(v ?? "")' "$1" "$2"; }
# wait_for SECONDS WHAT COMMAND…: until the command succeeds
wait_for() {
  local limit=$((SECONDS + $1)) what="$2"
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $limit ] || fail "$what did not happen in time$([ ! -s "$work/check.bad" ] || echo ": $(cat "$work/check.bad")")"
    sleep 0.3
  done
}
# put FILE PATH MODE: a file into the machine, on its disk for good
put() { inside sh -c "umask 077; cat >'$2' && chmod '${3:-0644}' '$2' && sync '$2'" <"$1"; }
now_inside() { inside date '+%Y-%m-%d %H:%M:%S'; }
state_is() { [ "$(field "$(ctl status --json)" provisioning.state)" = "$1" ]; }
registrations() { field "$(ctl status --json)" provisioning.counters.registrations; }

# The port after it is for swtpm's control channel.
free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

make_tpm() {
  mkdir -p "$work/tpm"
  swtpm_setup --tpm2 --tpmstate "$work/tpm" --create-ek-cert --overwrite >/dev/null
}

# start_cloud: the emulator in the plant's namespace; sets $cloud (its ready line, with addresses that the gateway can reach)
start_cloud() {
  mkdir -p "$work/emulator"
  ip netns exec "$name" node "$root/dist/tpe-cloud-emulator.cjs" --state "$work/emulator" --address "$PLANT" --name "$PLANT" >"$work/emulator.log" 2>&1 &
  pids+=($!)
  wait_for 30 "the emulator" grep -q '"idScope"' "$work/emulator.log"
  cloud="$(grep -m1 '"idScope"' "$work/emulator.log" | sed "s/localhost/$PLANT/g")"
}

# admin METHOD PATH [JSON]: the emulator's admin API
admin() {
  netns curl -fsS --cacert "$work/emulator/ca.pem" -H "Authorization: Bearer $(cat "$work/emulator/admin-token")" \
    -X "$1" ${3:+-H 'Content-Type: application/json' -d "$3"} "$(field "$cloud" service)/admin/v1$2"
}

# api METHOD PATH [JSON]: the gateway's REST API as its administrator; login sets the token
login_status() {
  netns curl -sk --max-time 180 -o "$work/login.json" -w '%{http_code}' -H 'Content-Type: application/json' \
    -d "{\"acceptEULA\":true,\"name\":\"admin\",\"password\":\"$1\"}" "https://$GATEWAY:8443/api/v1/auth"
}
login() {
  [ "$(login_status "$1")" = 200 ] || fail "login is refused: $(cat "$work/login.json")"
  token="$(field "$(cat "$work/login.json")" data.token)"
}
api() {
  netns curl -fsSk --max-time 180 -H "Authorization: Bearer $token" -X "$1" \
    ${3:+-H 'Content-Type: application/json' -d "$3"} "https://$GATEWAY:8443/api/v1$2"
}

# provision ARGUMENT…: the integrator's utility, which has the factory's list and the new password
provision() {
  netns env XDG_STATE_HOME="$work/plant" node "$root/dist/tpe-provision.cjs" run --json \
    --from "$work/plant/factory.csv" --require possession --new-password-file "$work/plant/new-password" \
    --dps-endpoint "$(field "$cloud" service | sed 's#^https://##')" --policy-name "$(field "$cloud" policyName)" \
    --policy-key-file "$work/plant/policy-key" --dps-ca "$(field "$cloud" ca)" \
    --id-scope "$(field "$cloud" idScope)" --global-endpoint "$(field "$cloud" dps)" --connect-timeout 240 "$@"
}

# need_packages ARCH RELEASE: builds the packages where they are missing or older than the sources
need_packages() {
  [ -n "${TPE_KEEP_PACKAGES:-}" ] && ls "$debs/$2"/tpe-agent_*_"$1".deb >/dev/null 2>&1 || bash scripts/package.sh "$1" "$2" >/dev/null
  [ "$1" = armhf ] || ls "$debs"/common/tpe-node_*_"$1".deb >/dev/null 2>&1 || bash scripts/package-node.sh "$1" >/dev/null
  agent_deb="$(ls -t "$debs/$2"/tpe-agent_*_"$1".deb | head -n 1)"
  # The version before: the same files under a lower number.
  rm -rf "$work/old"
  dpkg-deb -R "$agent_deb" "$work/old"
  sed -i 's/^Version: .*/Version: 0.0.1/' "$work/old/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$work/old" "$work/old.deb" >/dev/null
}
