import { readFile } from 'node:fs/promises';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { DEFAULT_PASSWORD, DEFAULT_USER } from '../../protocol/api-types';
import { parseEndpoint } from '../dps/endpoint';
import { DpsService } from '../dps/service';
import { HubService } from '../hub/hub-service';
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
import type { Streams } from './streams';

export const DEFAULT_POLICY = 'provisioningserviceowner';
/** Every hub has it; it may read twins and no keys. */
const DEFAULT_HUB_POLICY = 'service';

/** @throws PROVISION_SETTING_MISSING */
export function required(value: string | undefined, setting: string, ways: string): string {
  if (value === undefined || value === '') throw new TpeError('PROVISION_SETTING_MISSING', { setting, ways });
  return value;
}

/** The journal that is named, or the one beside the job file. */
export function journalPath(flags: Flags, job: JobFile): string | undefined {
  return flags.journal ?? job.journal ?? (flags.job === undefined ? undefined : `${flags.job}.journal`);
}

/** The factory record, empty when none is given. */
export async function factoryOf(flags: Flags, job: JobFile): Promise<FactoryIndex> {
  const path = flags.from ?? job.gateways?.from;
  return new FactoryIndex(path === undefined ? [] : await loadFactoryRecord(path));
}

/** A secret from its file or the environment, else from whoever sits at the terminal. */
async function secretOf(
  file: string | undefined,
  variable: string,
  question: string,
  { flags, streams }: { flags: Flags; streams: Streams },
): Promise<string | undefined> {
  const given = await readSecret(file, variable);
  if (given !== undefined || flags.json === true) return given;
  return (await streams.ask?.(question)) || undefined;
}

/** Asked twice, because a slip would lock everybody out of every gateway. */
async function askNewPassword({ json }: Flags, { ask }: Streams): Promise<string | undefined> {
  if (ask === undefined || json === true) return undefined;
  const first = await ask('New password for gateways that want a change (empty: none)');
  if (!first) return undefined;
  if ((await ask('Once more')) === first) return first;
  throw new TpeError('PROVISION_SETTING_INVALID', {
    setting: 'The new password',
    reason: 'it was not the same both times',
  });
}

async function newPasswordsOf(
  flags: Flags,
  job: JobFile,
  user: string,
  vault: Vault | undefined,
  streams: Streams | undefined,
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
  const given = await readSecret(file, 'TPE_NEW_PASSWORD');
  return passwordsByRule(given ?? (streams === undefined ? undefined : await askNewPassword(flags, streams)));
}

/**
 * The accounts on the gateways, from flags, files, environment and terminal. `close` what comes with them.
 * @param changing a new password may be set, so it is asked for where none is given.
 */
export async function credentialsOf(
  flags: Flags,
  job: JobFile,
  factory: FactoryIndex,
  streams: Streams,
  changing = false,
): Promise<Credentials & { close(): Promise<void> }> {
  const asked = flags.askPassword === true ? await streams.ask?.('Current password of the gateways') : '';
  const file = flags.passwordFile ?? job.gateways?.passwordFile;
  const password = asked || (await readSecret(file, 'TPE_PASSWORD'));
  const user = flags.user ?? job.gateways?.user ?? DEFAULT_USER;
  const vault = await openVault(flags, job, streams);
  try {
    return {
      user,
      password: (gateway) => password ?? factory.entryFor(gateway)?.password ?? DEFAULT_PASSWORD,
      newPasswords: await newPasswordsOf(flags, job, user, vault, changing ? streams : undefined),
      close: async () => vault?.close(),
    };
  } catch (error) {
    await vault?.close();
    throw error;
  }
}

/** The vault that is named; `undefined` when none is. */
export async function openVault(flags: Flags, job: JobFile, streams: Streams): Promise<Vault | undefined> {
  const path = flags.vault ?? job.gateways?.vault;
  if (path === undefined) return undefined;
  const passphrase = required(
    await secretOf(
      flags.vaultKeyFile ?? job.gateways?.vaultKeyFile,
      'TPE_VAULT_KEY',
      `Passphrase of ${path}`,
      { flags, streams },
    ),
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
export async function openDps(flags: Flags, job: JobFile, streams: Streams): Promise<DpsService> {
  const endpoint = required(
    flags.dpsEndpoint ?? job.dps?.endpoint,
    'The DPS service endpoint',
    '--dps-endpoint, TPE_DPS_ENDPOINT or dps.endpoint in the job file',
  );
  const policyKey = required(
    await secretOf(flags.policyKeyFile ?? job.dps?.policyKeyFile, 'TPE_POLICY_KEY', 'Key of the DPS policy', {
      flags,
      streams,
    }),
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
    streams.signal,
  );
}

/** The service side of the hubs; `undefined` where no policy key is given, because asking hubs is optional. */
export async function openHubs(
  flags: Flags,
  job: JobFile,
  { signal }: Streams,
): Promise<HubService | undefined> {
  const policyKey = await readSecret(flags.hubPolicyKeyFile ?? job.hub?.policyKeyFile, 'TPE_HUB_POLICY_KEY');
  if (policyKey === undefined) return undefined;
  const endpoint = flags.hubEndpoint ?? job.hub?.endpoint;
  const ca = flags.dpsCa ?? job.dps?.ca;
  return new HubService(
    {
      policyName: flags.hubPolicyName ?? job.hub?.policyName ?? DEFAULT_HUB_POLICY,
      policyKey,
      ...(endpoint === undefined ? {} : { dial: parseEndpoint(endpoint) }),
      ...(ca === undefined ? {} : { ca: await readText(ca) }),
    },
    signal,
  );
}
