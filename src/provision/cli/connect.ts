import { readFile } from 'node:fs/promises';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { DEFAULT_PASSWORD, DEFAULT_USER } from '../../protocol/api-types';
import { parseEndpoint } from '../dps/endpoint';
import { DpsService } from '../dps/service';
import type { Credentials } from '../flow/login';
import type { JobFile } from '../settings/job-file';
import { readSecret } from '../settings/secrets';
import type { Flags } from './flags';

export const DEFAULT_POLICY = 'provisioningserviceowner';

/** @throws PROVISION_SETTING_MISSING */
export function required(value: string | undefined, setting: string, ways: string): string {
  if (value === undefined || value === '') throw new TpeError('PROVISION_SETTING_MISSING', { setting, ways });
  return value;
}

/** The account on the gateways, from flags, files and environment. */
export async function credentialsOf(flags: Flags, job: JobFile): Promise<Credentials> {
  const password = await readSecret(flags.passwordFile ?? job.gateways?.passwordFile, 'TPE_PASSWORD');
  const newPassword = await readSecret(
    flags.newPasswordFile ?? job.gateways?.newPasswordFile,
    'TPE_NEW_PASSWORD',
  );
  return {
    user: flags.user ?? job.gateways?.user ?? DEFAULT_USER,
    password: password ?? DEFAULT_PASSWORD,
    newPassword,
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

/** The service side of DPS, from flags, files and environment. */
export async function openDps(flags: Flags, job: JobFile, signal?: AbortSignal): Promise<DpsService> {
  const endpoint = required(
    flags.dpsEndpoint ?? job.dps?.endpoint,
    'The DPS service endpoint',
    '--dps-endpoint, TPE_DPS_ENDPOINT or dps.endpoint in the job file',
  );
  const policyKey = required(
    await readSecret(flags.policyKeyFile ?? job.dps?.policyKeyFile, 'TPE_POLICY_KEY'),
    'The key of the DPS policy',
    '--policy-key-file, TPE_POLICY_KEY or dps.policyKeyFile in the job file',
  );
  const ca = flags.dpsCa ?? job.dps?.ca;
  return DpsService.open(
    {
      ...parseEndpoint(endpoint),
      policyName: flags.policyName ?? job.dps?.policyName ?? DEFAULT_POLICY,
      policyKey,
      ...(ca === undefined ? {} : { ca: await readText(ca) }),
    },
    signal,
  );
}
