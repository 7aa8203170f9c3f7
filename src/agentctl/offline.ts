import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ACCOUNTS_FILE, writeInitialAccounts } from '../agent/accounts/initial-accounts';
import { PasswordHasher } from '../agent/accounts/password-hasher';
import { AccountsState, isFactoryNew } from '../agent/accounts/schema';
import { loadOrCreateTlsIdentity } from '../agent/api/tls-identity';
import { AzureConfiguration } from '../agent/config/azure-configuration';
import { factoryStateFile } from '../agent/config/factory-state';
import { lockState } from '../agent/config/instance-lock';
import type { Settings } from '../agent/config/settings';
import { readDeviceIdentity } from '../agent/device/identity';
import { listInterfaces } from '../agent/device/interfaces';
import type { FactoryInitDependencies } from '../agent/local/factory-init';
import { finishFactoryReset } from '../agent/local/factory-reset';
import { type ManagedTpm, openTpm } from '../agent/tpm/index';
import { withDeadline } from '../common/deadline';
import { TpeError, reasonOf } from '../common/errors/tpe-error';
import { StateFile } from '../common/fs/state-file';
import { asOwnerOf } from './as-owner';

/** A little more than an open TPM takes to close at the most. */
const CLOSE_PATIENCE_MS = 2500;

export interface TpmAuthFiles {
  readonly owner?: string | undefined;
  readonly endorsement?: string | undefined;
}

async function authOf(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

/**
 * Works on the state and the TPM of an agent that does not run: locked against a second instance, as the user who owns
 * the state folder.
 * @throws STATE_IN_USE, STATE_FOLDER_UNUSABLE and what the work throws
 */
export async function withLockedState<T>(
  settings: Settings,
  authFiles: TpmAuthFiles,
  work: (dependencies: FactoryInitDependencies) => Promise<T>,
): Promise<T> {
  // Before the change of user: the files are root's.
  const [ownerAuth, endorsementAuth] = await Promise.all([
    authOf(authFiles.owner),
    authOf(authFiles.endorsement),
  ]);
  return asOwnerOf(settings.paths.state, async () => {
    // As the service sees it: root may read serial numbers that the service may not, and would enroll another name.
    const identity = await readDeviceIdentity(settings.device);
    const lock = await lockState(settings.paths.state);
    let tpm: Promise<ManagedTpm> | undefined;
    const open = (): Promise<ManagedTpm> =>
      openTpm({
        ...settings.tpm,
        ...(ownerAuth === undefined ? {} : { ownerAuth }),
        ...(endorsementAuth === undefined ? {} : { endorsementAuth }),
      });
    try {
      // Decided while the agent ran, which was stopped before it came to it.
      await finishFactoryReset(settings.paths);
      return await work(await dependenciesOf(settings, identity, () => (tpm ??= open())));
    } finally {
      // A TPM that says nothing is left to the end of the process, which waits for no command.
      const closing = tpm?.then((opened) => opened.close()).catch(() => undefined);
      if (closing !== undefined) await withDeadline(closing, CLOSE_PATIENCE_MS, () => undefined);
      await lock.release();
    }
  });
}

async function dependenciesOf(
  settings: Settings,
  identity: FactoryInitDependencies['identity'],
  tpm: () => Promise<ManagedTpm>,
): Promise<FactoryInitDependencies> {
  const stateFolder = settings.paths.state;
  const hasher = new PasswordHasher();
  const azure = await AzureConfiguration.open(stateFolder, {
    hasTpm: () => true,
    dpsHosts: settings.azure.dpsHosts,
    defaultRegistrationId: identity.serialNumber.toLowerCase(),
  });
  return {
    identity,
    tpm,
    azure: () => azure.current(),
    factory: () => factoryStateFile(stateFolder).load(),
    stateFolder,
    hasher,
    tlsKeySha256: async () => {
      const addresses = listInterfaces().flatMap((each) => each.addresses.map(({ address }) => address));
      return (await loadOrCreateTlsIdentity(stateFolder, identity, addresses)).spkiSha256;
    },
    commissioned: async () => {
      const accounts = await new StateFile(join(stateFolder, ACCOUNTS_FILE), AccountsState).load();
      return accounts !== undefined && !isFactoryNew(accounts);
    },
    setInitialPassword: (hash) => writeInitialAccounts(stateFolder, hash),
  };
}
