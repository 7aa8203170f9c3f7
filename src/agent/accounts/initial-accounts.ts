import { join } from 'node:path';
import { isTpeError } from '../../common/errors/tpe-error';
import { StateFile } from '../../common/fs/state-file';
import { DEFAULT_USER } from '../../protocol/api-types';
import { DEFAULT_LOCK_OUT } from './lock-out';
import { DEFAULT_POLICY } from './password-policy';
import { ADMINISTRATOR } from './permissions';
import { AccountsState } from './schema';
import { DEFAULT_SESSION_SETTINGS } from './sessions';

export const ACCOUNTS_FILE = 'accounts.json';

/** A new gateway's accounts: one administrator whose password must change at the first login. */
export function initialAccounts(passwordHash: string): AccountsState {
  return {
    nextUserId: 2,
    users: [
      {
        id: 1,
        name: DEFAULT_USER,
        email: null,
        isActive: true,
        roleIds: [ADMINISTRATOR],
        passwordHash,
        passwordChangedAt: null,
        mustChange: true,
      },
    ],
    passwordPolicy: DEFAULT_POLICY,
    lockOut: DEFAULT_LOCK_OUT,
    sessions: DEFAULT_SESSION_SETTINGS,
  };
}

/**
 * Gives a gateway its own initial administrator password, as the factory does.
 * Replaces the accounts that are there.
 */
export async function writeInitialAccounts(stateFolder: string, passwordHash: string): Promise<void> {
  const file = new StateFile(join(stateFolder, ACCOUNTS_FILE), AccountsState);
  // The generation must grow past the one on disk; a damaged file counts as none, since it is replaced on purpose.
  await file.load().catch((error: unknown) => {
    if (!isTpeError(error, 'STATE_DAMAGED')) throw error;
  });
  await file.save(initialAccounts(passwordHash));
}
