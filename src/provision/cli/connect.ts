import { readFile } from 'node:fs/promises';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { DEFAULT_PASSWORD, DEFAULT_USER } from '../../protocol/api-types';
import { parseEndpoint } from '../dps/endpoint';
import { DpsService } from '../dps/service';
import { loadFactoryRecord } from '../factory-record';
import type { Credentials } from '../flow/login';
import {
  type NewPasswords,
  passwordsByRule,
  passwordsFromList,
  passwordsFromVault,
} from '../passwords/new-passwords';
import { Vault } from '../passwords/vault';
import { FactoryIndex } from '../trust/factory-index';
import type { JobFile } from '../settings/job-file';
import { readSecret } from '../settings/secrets';
import type { Flags } from './flags';

export const DEFAULT_POLICY = 'provisioningserviceowner';

/** @throws PROVISION_SETTING_MISSING */
export function required(value: string | undefined, setting: string, ways: string): string {
  if (value === undefined || value === '') throw new TpeError('PROVISION_SETTING_MISSING', { setting, ways });
  return value;
}

/** The factory record, empty when none is given. */
export async function factoryOf(flags: Flags, job: JobFile): Promise<FactoryIndex> {
  const path = flags.from ?? job.gateways?.from;
  return new FactoryIndex(path === undefined ? [] : await loadFactoryRecord(path));
}

async function newPasswordsOf(
  flags: Flags,
  job: JobFile,
  user: string,
  vault: Vault | undefined,
): Promise<NewPasswords> {
  const list = flags.newPasswordList ?? job.gateways?.newPasswordList;
  const file = flags.newPasswordFile ?? job.gateways?.newPasswordFile;
  if ([vault, list, file].filter((source) => source !== undefined).length > 1) {
    throw new TpeError('PROVISION_SETTING_INVALID', {
      setting: 'The new password',
      reason: 'only one of --new-password-file, --new-password-list and --vault can say what it is',
    });
  }
  if (vault !== undefined) return passwordsFromVault(vault, user);
  if (list !== undefined) return passwordsFromList(list);
  return passwordsByRule(await readSecret(file, 'TPE_NEW_PASSWORD'));
}

/** The accounts on the gateways, from flags, files and environment. `close` what comes with them. */
export async function credentialsOf(
  flags: Flags,
  job: JobFile,
  factory: FactoryIndex,
): Promise<Credentials & { close(): Promise<void> }> {
  const password = await readSecret(flags.passwordFile ?? job.gateways?.passwordFile, 'TPE_PASSWORD');
  const user = flags.user ?? job.gateways?.user ?? DEFAULT_USER;
  const vault = await openVault(flags, job);
  try {
    return {
      user,
      password: (gateway) => password ?? factory.entryFor(gateway)?.password ?? DEFAULT_PASSWORD,
      newPasswords: await newPasswordsOf(flags, job, user, vault),
      close: async () => vault?.close(),
    };
  } catch (error) {
    await vault?.close();
    throw error;
  }
}

/** The vault that is named; `undefined` when none is. */
export async function openVault(flags: Flags, job: JobFile): Promise<Vault | undefined> {
  const path = flags.vault ?? job.gateways?.vault;
  if (path === undefined) return undefined;
  const passphrase = required(
    await readSecret(flags.vaultKeyFile ?? job.gateways?.vaultKeyFile, 'TPE_VAULT_KEY'),
    'The passphrase of the vault',
    '--vault-key-file, TPE_VAULT_KEY or gateways.vaultKeyFile in the job file',
  );
  return Vault.open(path, passphrase);
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
