import { type ManagedTpm, type TpmOptions, openTpm } from '../../src/agent/tpm';
import type { Tpm } from '../../src/agent/tpm/types';
import { wrapForTpm } from '../../src/emulator/tpm/authentication-key';
import { parseStorageKey } from '../../src/emulator/tpm/public-area';
import type { Swtpm } from './swtpm';

/** What DPS would send this TPM: `hmacKey` for its EK and SRK. */
export async function authenticationKeyFor(tpm: Tpm, hmacKey: Buffer): Promise<Buffer> {
  const ek = await tpm.endorsementKey();
  const srk = await tpm.storageRootKey();
  return wrapForTpm(
    parseStorageKey(ek.public.toString('base64')),
    parseStorageKey(srk.public.toString('base64')),
    hmacKey,
    'https://example.azure-devices.net',
  );
}

/** Opens the TPM for `use`, closes it, and demands that nothing is left in it. */
export async function withTpm<T>(
  swtpm: Swtpm,
  use: (tpm: ManagedTpm) => Promise<T>,
  options: TpmOptions = {},
): Promise<T> {
  const tpm = await openTpm({ tcti: swtpm.tcti, ...options });
  try {
    return await use(tpm);
  } finally {
    await tpm.close();
    await expectNothingLeft(swtpm);
  }
}

/** Fails unless the TPM's transient and session lists are empty, `live` hub keys excepted. */
export async function expectNothingLeft(swtpm: Swtpm, live = 0): Promise<void> {
  expect(await swtpm.transientHandles()).toHaveLength(live);
  expect(await swtpm.sessions()).toEqual([]);
}
