import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../common/clock';
import { TpeError, codeOf, isTpeError, reasonOf } from '../common/errors/tpe-error';
import type { Logger } from '../common/logger';
import type { Settings } from './config/settings';
import { watchQueue } from './system/proofs';
import type { Proof } from './system/watchdog';
import { openTpm } from './tpm/index';
import { lateTpm } from './tpm/late-tpm';
import type { ManagedTpm } from './tpm/types';

/** An authorization value that systemd passes on (LoadCredential=); `undefined` where none is configured. */
async function credential(name: string): Promise<Buffer | undefined> {
  const folder = process.env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined) return undefined;
  const path = join(folder, name);
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

export interface AgentTpm {
  readonly tpm: ManagedTpm;
  /** That the queue of the TPM moves. */
  readonly proof: Proof;
  /** False once an attempt to open it found no TPM. */
  readonly present: () => boolean;
}

/** The TPM of the daemon: opened when first needed, watched, with authorizations from systemd's credentials. */
export function agentTpm(
  settings: Pick<Settings, 'tpm' | 'watchdog'>,
  stateFolder: string,
  expectedEkName: () => Buffer | undefined,
  clock: Clock,
  logger: Logger,
): AgentTpm {
  let present = true;
  const open = async (): Promise<ManagedTpm> => {
    const [ownerAuth, endorsementAuth] = await Promise.all([
      credential('tpm-owner-auth'),
      credential('tpm-endorsement-auth'),
    ]);
    const expected = expectedEkName();
    const { tcti, ekTemplate, identityKey } = settings.tpm;
    try {
      const tpm = await openTpm({
        ekTemplate,
        identityKey,
        logger,
        attestationKeyFile: join(stateFolder, 'attestation-key.json'),
        ...(tcti === undefined ? {} : { tcti }),
        ...(expected === undefined ? {} : { expectedEkName: expected }),
        ...(ownerAuth === undefined ? {} : { ownerAuth }),
        ...(endorsementAuth === undefined ? {} : { endorsementAuth }),
      });
      present = true;
      return tpm;
    } catch (error) {
      present = !isTpeError(error, 'TPM_ABSENT');
      throw error;
    } finally {
      ownerAuth?.fill(0);
      endorsementAuth?.fill(0);
    }
  };
  const { watched, proof } = watchQueue(lateTpm(open), clock, 'tpm', settings.watchdog.tpmSec * 1000);
  return { tpm: watched, proof, present: () => present };
}
