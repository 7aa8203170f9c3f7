import { NativeBackedTpm } from './native-tpm';
import { type TpmOptions, chooseTcti } from './options';
import type { ManagedTpm } from './types';

export type { TpmOptions } from './options';
export type { EkCertificate } from './ek-certificate';
export type * from './types';

/**
 * Opens the TPM and asks it who it is, so that a TPM that cannot be used is known at once.
 * @throws TPM_ABSENT, TPM_NOT_PERMITTED, TPM_UNREACHABLE, TPM_ADDON_MISSING and what {@link Tpm.info} throws
 */
export async function openTpm(options: TpmOptions = {}): Promise<ManagedTpm> {
  const { tcti, resourceManaged } = await chooseTcti(options.tcti);
  const tpm = new NativeBackedTpm({ ...options, tcti, resourceManaged });
  try {
    await tpm.info();
  } catch (error) {
    await tpm.close();
    throw error;
  }
  return tpm;
}
