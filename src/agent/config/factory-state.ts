import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { StateFile } from '../../common/fs/state-file';

/** What the factory fixed for this gateway. The only state besides the TLS key that a factory reset leaves. */
export const FactoryState = Type.Object({
  serialNumber: Type.String({ minLength: 1, maxLength: 64 }),
  modelName: Type.String({ minLength: 1, maxLength: 64 }),
  mac: Type.String({ pattern: '^[0-9a-f]{12}$' }),
  firmwareVersion: Type.String({ maxLength: 64 }),
  /** PHC string of the initial administrator password; the password itself is on the label only. */
  initialPasswordHash: Type.String({ minLength: 1, maxLength: 512 }),
  /** Name of the EK, hexadecimal: another TPM later is another device. Absent on a gateway without a TPM. */
  ekName: Type.Optional(Type.String({ pattern: '^[0-9a-f]{68}$' })),
  /** Base64 SHA-256 of the TLS key's SubjectPublicKeyInfo, as the record names it. */
  keySha256: Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$' }),
  /** ISO 8601. */
  initializedAt: Type.String(),
});
export type FactoryState = Static<typeof FactoryState>;

export const FACTORY_FILE = 'factory.json';

export function factoryStateFile(stateFolder: string): StateFile<typeof FactoryState> {
  return new StateFile(join(stateFolder, FACTORY_FILE), FactoryState);
}
