import { createHash } from 'node:crypto';
import { admin, hubService } from '../../test/support/azure-client';
import type { EmulatorAddresses } from '../../test/support/emulator';

export interface HubDevice {
  readonly hub: string;
  readonly deviceId: string;
  readonly key: Buffer;
}

/** Creates a device with a symmetric key in the emulator's first hub. */
export async function createDevice(emulator: EmulatorAddresses, deviceId: string): Promise<HubDevice> {
  const { hubs } = (await admin(emulator, 'GET', '/hubs')).body as {
    hubs: { hostName: string; policyName: string; policyKey: string }[];
  };
  const hub = hubs[0];
  if (hub === undefined) throw new Error('the emulator has no hub');
  const key = createHash('sha256').update(deviceId).digest();
  const authentication = { symmetricKey: { primaryKey: key.toString('base64') } };
  const { status } = await hubService(emulator, hub, 'PUT', `/devices/${deviceId}`, {
    deviceId,
    authentication,
  });
  if (status !== 200) throw new Error(`creating ${deviceId}: ${status}`);
  return { hub: hub.hostName, deviceId, key };
}
