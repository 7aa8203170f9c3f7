import { randomUUID } from 'node:crypto';
import type { Hub } from '../hub/hub';
import { newTwin } from '../hub/twin';
import { allocate } from './allocation';
import type { Enrollment, InitialTwin, Registration } from './records';

interface Request {
  readonly registrationId: string;
  readonly payload?: unknown;
  readonly nowIso: string;
}

/** Azure's defaults where an enrollment names no policy: move the device and take its data along. */
const DEFAULT_REPROVISION = { updateHubAssignment: true, migrateDeviceData: true };

/**
 * Decides where a device belongs and makes its identity there: first assignment, the same hub again, or another hub,
 * with its twin or with the initial one, as the reprovision policy says.
 */
export async function assign(
  enrollment: Enrollment,
  before: Registration | undefined,
  hubs: ReadonlyMap<string, Hub>,
  request: Request,
): Promise<Registration> {
  const { body } = enrollment;
  const base = {
    registrationId: request.registrationId,
    createdDateTimeUtc: before?.createdDateTimeUtc ?? request.nowIso,
    lastUpdatedDateTimeUtc: request.nowIso,
    etag: `"${randomUUID()}"`,
  };
  const past = pastOf(before);
  if (body.provisioningStatus === 'disabled') return { ...base, ...past, status: 'disabled' };

  const policy = body.reprovisionPolicy ?? DEFAULT_REPROVISION;
  const current = before?.assignedHub === undefined ? undefined : hubs.get(before.assignedHub);
  const deviceId = body.deviceId ?? before?.deviceId ?? request.registrationId;
  const stays = current !== undefined && !policy.updateHubAssignment;
  const allocation = stays ? { hub: current } : await allocate(body, hubs, request);
  if (allocation.hub === undefined) {
    return { ...base, ...past, status: 'failed', ...(allocation.failure ?? {}) };
  }
  const { hub } = allocation;
  const initial = startTwin(allocation.initialTwin ?? body.initialTwin ?? undefined);
  const iotEdge = body.capabilities?.iotEdge ?? false;

  let substatus = 'initialAssignment';
  if (current !== undefined && current !== hub) {
    const old = before?.deviceId === undefined ? undefined : current.devices.get(before.deviceId);
    const twin = policy.migrateDeviceData && old !== undefined ? old.twin : initial;
    await hub.ensureDevice(deviceId, { twin, iotEdge });
    if (old !== undefined) await current.removeDevice(old.deviceId);
    substatus = hub.hostName === before?.initialHub ? 'reprovisionedToInitialAssignment' : movedHow(policy);
  } else {
    await hub.ensureDevice(deviceId, { twin: initial, iotEdge });
  }
  return {
    ...base,
    status: 'assigned',
    substatus,
    assignedHub: hub.hostName,
    deviceId,
    initialHub: before?.initialHub ?? hub.hostName,
    ...(allocation.payload === undefined ? {} : { payload: allocation.payload }),
  };
}

const movedHow = (policy: { migrateDeviceData: boolean }): string =>
  policy.migrateDeviceData ? 'deviceDataMigrated' : 'deviceDataReset';

/** What the device was; not forgotten when a registration ends without an assignment. */
export function pastOf(before: Registration | undefined): Partial<Registration> {
  const names = ['assignedHub', 'deviceId', 'initialHub'];
  return Object.fromEntries(Object.entries(before ?? {}).filter(([name]) => names.includes(name)));
}

function startTwin(initial: InitialTwin | undefined) {
  return newTwin({ tags: initial?.tags ?? {}, desired: initial?.properties?.desired ?? {} });
}
