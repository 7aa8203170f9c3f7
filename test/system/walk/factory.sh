# The production line. Sourced by walk.sh.

walk_factory() {
  ctl factory init --output /root/factory --json >"$work/init.json"
  record="$(inside cat /root/factory/TAICB1046771.json)"
  password="$(field "$record" initialPassword)"
  [ -n "$password" ] || fail "the factory made no password"
  grep -qF "$password" "$work/init.json" && fail "the password is printed"
  [ "$(field "$record" registrationId)" = taicb1046771 ] || fail "wrong registration ID"
  [ -n "$(field "$record" ekCertificate)" ] || fail "the record has no EK certificate"

  mkdir -p -m 0700 "$work/plant"
  inside cat /root/factory/factory.csv >"$work/plant/factory.csv"
  inside cat /root/factory/TAICB1046771.svg >"$work/plant/label.svg"
  grep -qF "$password" "$work/plant/factory.csv" || fail "the list has no password"
  # What a scanner reads off the label.
  rsvg-convert --zoom 8 -o "$work/plant/label.png" "$work/plant/label.svg"
  zbarimg --quiet --raw "$work/plant/label.png" >"$work/plant/label.txt" 2>/dev/null || fail "no scanner reads the label"
  grep -qF "sn=TAICB1046771" "$work/plant/label.txt" && grep -qF "pw=$password" "$work/plant/label.txt" || fail "the label says something else"

  local handles
  handles="$(inside runuser -u tss -- tpm2_getcap -T device:$tpm_device handles-persistent)"
  grep -qi 81010001 <<<"$handles" && grep -qi 81000001 <<<"$handles" || fail "EK and SRK are not persistent: $handles"
  ctl factory init --output /root/factory --json >/dev/null
  [ "$(inside cat /root/factory/TAICB1046771.json | sed '/initializedAt/d')" = "$(sed '/initializedAt/d' <<<"$record")" ] || fail "a second factory init changes the record"
  step "factory init: keys, record, list, and a label that a scanner reads; a second run changes nothing"
}
