import type { Inspection } from './views';

/** One check of an acceptance test. */
export interface CheckResult {
  readonly check: string;
  readonly result: 'ok' | 'failed' | 'skipped';
  readonly detail: string;
}

const verdict = (check: string, good: boolean, detail: string): CheckResult => ({
  check,
  result: good ? 'ok' : 'failed',
  detail,
});

const skipped = (check: string, detail: string): CheckResult => ({ check, result: 'skipped', detail });

function hubCheck({ hub, hubName }: Inspection): CheckResult {
  if (hub === undefined) return skipped('hubDevice', 'the hub was not asked');
  if (hub === null) return verdict('hubDevice', false, `${hubName} does not know the device`);
  const { status = 'enabled', connectionState = 'unknown' } = hub;
  const good = status === 'enabled' && connectionState === 'Connected';
  return verdict('hubDevice', good, `${hubName} calls it ${status} and ${connectionState}`);
}

/** Judges one inspected gateway, every check by itself. */
export function checksOf(inspection: Inspection, idScope: string | undefined): CheckResult[] {
  const { device, enrollment, failure } = inspection;
  if (device === undefined) return [verdict('login', false, failure?.message ?? 'the gateway was not asked')];
  const { status } = device;
  const results = [
    verdict('login', true, 'the key is the expected one, the password is accepted and not the initial one'),
    verdict(
      'enabled',
      device.enabled,
      device.enabled ? 'provisioning is on' : 'provisioning is switched off',
    ),
    verdict(
      'connected',
      status.state === 'connected',
      `state ${status.state}${status.lastError === undefined || status.state === 'connected' ? '' : `, ${status.lastError.code}: ${status.lastError.message}`}`,
    ),
    idScope === undefined
      ? skipped('idScope', 'no ID scope was given to compare with')
      : verdict('idScope', device.idScope === idScope, `the gateway has "${device.idScope}"`),
  ];
  // The gateway answered, so it is DPS or the hub that did not.
  if (failure !== undefined) return [...results, verdict('cloud', false, failure.message)];
  if (enrollment === undefined) {
    return [...results, skipped('enrollment', 'DPS was not asked'), hubCheck(inspection)];
  }
  if (enrollment === null)
    return [...results, verdict('enrollment', false, `DPS has no ${device.registrationId}`)];
  const sameEk = enrollment.attestation.tpm?.endorsementKey === device.endorsementKey;
  const registered = enrollment.registrationState?.status;
  const hub = enrollment.registrationState?.assignedHub ?? undefined;
  return [
    ...results,
    verdict(
      'enrollment',
      enrollment.provisioningStatus !== 'disabled',
      enrollment.provisioningStatus ?? 'enabled',
    ),
    verdict('endorsementKey', sameEk, sameEk ? 'DPS and gateway have the same' : 'DPS has another one'),
    registered === undefined
      ? skipped('registration', 'DPS tells no registration state')
      : verdict('registration', registered === 'assigned', registered),
    hub === undefined || status.assignedHub === undefined
      ? skipped('hub', 'not both sides name a hub')
      : verdict('hub', hub === status.assignedHub, `DPS says ${hub}, the gateway ${status.assignedHub}`),
    hubCheck(inspection),
  ];
}
