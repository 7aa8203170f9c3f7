# The integrator: discovery, enrollment, and a power cut in the middle of the registration. Sourced by walk.sh.

walk_commissioning() {
  printf 'Plant-Passw0rd!' >"$work/plant/new-password"
  field "$cloud" policyKey >"$work/plant/policy-key"
  chmod 600 "$work"/plant/*
  netns node "$root/dist/tpe-provision.cjs" discover --json "${discovery[@]}" >"$work/discovered.log" || fail "discovery"
  grep -q TAICB1046771 "$work/discovered.log" || fail "the gateway does not answer: $(cat "$work/discovered.log")"
  step "discovered${discovery[*]:+ (${discovery[*]})}"

  # DPS falls silent after the challenge; the power is cut while the gateway waits.
  admin POST /faults '{"point":"dps-register","action":{"type":"silence"}}' >/dev/null
  provision "${discovery[@]}" --until configured >"$work/provision.log" 2>&1 || { tail -n 20 "$work/provision.log" >&2; fail "provisioning"; }
  wait_for 120 "registering" state_is registering
  machine_cut
  admin DELETE /faults >/dev/null
  machine_start
  wait_for 240 "registering after the power cut" state_is connected
  step "the power was cut while DPS was asked; the gateway registers by itself"

  provision "${discovery[@]}" >"$work/provision.log" 2>&1 || { tail -n 20 "$work/provision.log" >&2; fail "the second run of the utility"; }
  described() { grep -F UC-8100A-ME-T-LX "$work/emulator.log" | grep -qF TAICB1046771; }
  wait_for 60 "the twin that tells who the gateway is" described
  step "enrolled and connected; the twin tells who the gateway is"
}
