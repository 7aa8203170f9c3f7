import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { StoredValue } from '../../common/fs/stored-value';

/** Ports of the API; HTTPS is always on. */
export const HttpServerSettings = Type.Object({
  httpEnable: Type.Boolean(),
  httpPort: Type.Integer({ minimum: 1, maximum: 65_535 }),
  httpsPort: Type.Integer({ minimum: 1, maximum: 65_535 }),
});
export type HttpServerSettings = Static<typeof HttpServerSettings>;

/** What users set on the device itself; device.json in the state folder. */
const DeviceSettings = Type.Object({
  description: Type.String({ maxLength: 512 }),
  /** Absent until somebody changed it: then the settings file holds. */
  httpServer: Type.Optional(HttpServerSettings),
});
export type DeviceSettings = Static<typeof DeviceSettings>;

/** @throws STATE_DAMAGED */
export async function openDeviceSettings(stateFolder: string): Promise<StoredValue<typeof DeviceSettings>> {
  return StoredValue.open(join(stateFolder, 'device.json'), DeviceSettings, { description: '' });
}

export type StoredDeviceSettings = StoredValue<typeof DeviceSettings>;
