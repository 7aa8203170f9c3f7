import { type DeviceRecord, NEVER } from './device-record';
import type { Hub } from './hub';

/** Etags of IoT Hub are base64 of a counter. */
export const etagOf = (version: number): string => Buffer.from(String(version)).toString('base64');

/** True when an If-Match header, quoted or not, allows a change of this version. */
export function matches(ifMatch: string | undefined, version: number): boolean {
  if (ifMatch === undefined) return true;
  const bare = ifMatch.replace(/^"|"$/g, '');
  return bare === '*' || bare === etagOf(version);
}

function connection(hub: Hub, record: DeviceRecord) {
  return {
    status: record.status,
    statusReason: null,
    statusUpdateTime: NEVER,
    connectionState: hub.link(record.deviceId) === undefined ? 'Disconnected' : 'Connected',
    connectionStateUpdatedTime: hub.lastTouched(record.deviceId),
    lastActivityTime: hub.lastTouched(record.deviceId),
    cloudToDeviceMessageCount: record.messages.length,
  };
}

/** A device identity as the service API shows it. */
export function identityView(hub: Hub, record: DeviceRecord): Record<string, unknown> {
  return {
    deviceId: record.deviceId,
    generationId: record.generationId,
    etag: etagOf(record.identityVersion),
    ...connection(hub, record),
    authentication: {
      symmetricKey: { primaryKey: record.primaryKey, secondaryKey: record.secondaryKey },
      x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null },
      type: 'sas',
      SymmetricKey: { primaryKey: record.primaryKey, secondaryKey: record.secondaryKey },
    },
    capabilities: { iotEdge: record.iotEdge },
  };
}

/** A twin as the service API shows it. */
export function twinView(hub: Hub, record: DeviceRecord): Record<string, unknown> {
  const { twin } = record;
  return {
    deviceId: record.deviceId,
    etag: etagOf(twin.version),
    deviceEtag: etagOf(record.identityVersion),
    version: twin.version,
    ...connection(hub, record),
    authenticationType: 'sas',
    x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null },
    modelId: '',
    tags: twin.tags,
    properties: {
      desired: { ...twin.desired, $version: twin.desiredVersion },
      reported: { ...twin.reported, $version: twin.reportedVersion },
    },
    capabilities: { iotEdge: record.iotEdge },
  };
}
