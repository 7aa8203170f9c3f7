import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { StateFile } from '../../common/fs/state-file';

const Policy = Type.Object({
  name: Type.String({ minLength: 1 }),
  /** Base64 of the key. */
  key: Type.String({ minLength: 1 }),
});
export type Policy = Static<typeof Policy>;

const HubSettings = Type.Object({
  hostName: Type.String({ minLength: 1 }),
  policy: Policy,
});

/** What makes one emulated DPS and its hubs the same after a restart. */
export const Instance = Type.Object({
  idScope: Type.String({ pattern: '^0ne[0-9A-F]{8}$' }),
  /** Service host name of the DPS. */
  dpsHostName: Type.String({ minLength: 1 }),
  policy: Policy,
  hubs: Type.Array(HubSettings, { minItems: 1 }),
});
export type Instance = Static<typeof Instance>;

/** Reserved for this machine (RFC 6761), so that a name can never lead to somebody's real hub. */
const HUB_DOMAIN = 'azure-devices.localhost';
const DPS_DOMAIN = 'azure-devices-provisioning.localhost';

/** Names that the server certificate covers beside localhost. */
export const CERTIFICATE_NAMES = [`*.${HUB_DOMAIN}`, `*.${DPS_DOMAIN}`];

const newKey = (bytes: number): string => randomBytes(bytes).toString('base64');

function newInstance(hubCount: number): Instance {
  return {
    idScope: `0ne${randomBytes(4).toString('hex').toUpperCase()}`,
    dpsHostName: `emulator-dps.${DPS_DOMAIN}`,
    policy: { name: 'provisioningserviceowner', key: newKey(32) },
    hubs: Array.from({ length: hubCount }, (_, i) => newHub(i + 1)),
  };
}

function newHub(number: number): Instance['hubs'][number] {
  return {
    hostName: `emulator-hub-${number}.${HUB_DOMAIN}`,
    policy: { name: 'iothubowner', key: newKey(32) },
  };
}

/** Loads the instance from its folder; makes it, or the hubs that are missing, at the first start. */
export async function openInstance(folder: string, hubCount: number): Promise<Instance> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = new StateFile(join(folder, 'instance.json'), Instance);
  const loaded = await file.load();
  const instance = loaded ?? newInstance(hubCount);
  const hubs = [...instance.hubs];
  while (hubs.length < hubCount) hubs.push(newHub(hubs.length + 1));
  const complete = { ...instance, hubs };
  if (loaded === undefined || hubs.length > loaded.hubs.length) await file.save(complete);
  return complete;
}
