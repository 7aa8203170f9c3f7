import type { CloudView, DeviceView } from './views';

function ofDevice({ enabled, status }: DeviceView): string[] {
  const found: string[] = [];
  if (!enabled) found.push('provisioning is switched off on the gateway');
  if (status.state !== 'connected') {
    const last = status.lastError;
    const reason = last === undefined ? '' : ` (${last.code}: ${last.message})`;
    found.push(`the gateway is ${status.state}, not connected${reason}`);
  }
  return found;
}

function ofEnrollment(device: DeviceView, enrollment: NonNullable<CloudView['enrollment']>): string[] {
  const found: string[] = [];
  const { status, assignedHub } = enrollment.registrationState ?? {};
  if (enrollment.attestation.tpm?.endorsementKey !== device.endorsementKey) {
    found.push('the enrollment holds another endorsement key than the gateway has');
  }
  if (enrollment.provisioningStatus === 'disabled') found.push('the enrollment is disabled');
  const own = device.status.assignedHub;
  if (assignedHub && own !== undefined && assignedHub !== own) {
    found.push(`DPS assigned ${assignedHub}, the gateway is at ${own}`);
  }
  if (device.status.state === 'connected' && status !== undefined && status !== 'assigned') {
    found.push(`DPS calls the registration ${status}`);
  }
  return found;
}

function ofHub(device: DeviceView | undefined, { hub, hubName }: CloudView): string[] {
  if (hub === undefined) return [];
  if (hub === null) return [`${hubName} does not know the device`];
  const found: string[] = [];
  if (hub.status === 'disabled') found.push(`the device is disabled in ${hubName}`);
  const connected = hub.connectionState === 'Connected';
  if (device !== undefined && connected !== (device.status.state === 'connected')) {
    found.push(`${hubName} calls it ${hub.connectionState ?? 'unknown'}, the gateway ${device.status.state}`);
  }
  return found;
}

/** Sentences, one for each thing that does not fit; what was not asked does not disagree. */
export function compare(device: DeviceView | undefined, cloud: CloudView): string[] {
  const { enrollment, registrationId } = cloud;
  return [
    ...(device === undefined ? [] : ofDevice(device)),
    ...(enrollment === null ? [`DPS has no enrollment ${registrationId}`] : []),
    ...(device === undefined || !enrollment ? [] : ofEnrollment(device, enrollment)),
    ...ofHub(device, cloud),
  ];
}
