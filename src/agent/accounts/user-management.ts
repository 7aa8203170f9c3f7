import { TpeError } from '../../common/errors/tpe-error';
import type { Accounts } from './accounts';
import type { PasswordHasher } from './password-hasher';
import { checkNewPassword } from './password-policy';
import { ADMINISTRATOR } from './permissions';
import type { AccountsState, StoredUser } from './schema';

const LARGEST_USER_COUNT = 256;

export interface NewUser {
  readonly name: string;
  readonly password: string;
  readonly email?: string | null;
  readonly isActive?: boolean;
  readonly roleIds: readonly number[];
}

export interface UserChange {
  readonly email?: string | null;
  readonly isActive?: boolean;
  readonly roleIds?: readonly number[];
}

function find(state: AccountsState, id: number): StoredUser {
  const user = state.users.find((each) => each.id === id);
  if (user === undefined) throw new TpeError('API_NOT_FOUND', { what: 'user' });
  return user;
}

/** Otherwise nobody could make users any more, and only a factory reset would help. */
function keepAnAdministrator(state: AccountsState): void {
  const left = state.users.some((user) => user.isActive && user.roleIds.includes(ADMINISTRATOR));
  if (!left) throw new TpeError('API_CONFLICT', { reason: 'one active administrator must remain' });
}

/** What administrators do to accounts. A user whose rights shrink is logged out at once. */
export class UserManagement {
  readonly #accounts: Accounts;
  readonly #hasher: PasswordHasher;

  constructor(accounts: Accounts, hasher: PasswordHasher) {
    this.#accounts = accounts;
    this.#hasher = hasher;
  }

  /**
   * Makes a user, who must change the password at the first login.
   * @throws API_CONFLICT for a name that is taken or when there are too many, API_PASSWORD_*.
   */
  async create(user: NewUser): Promise<StoredUser> {
    checkNewPassword(this.#accounts.state.passwordPolicy, user.password, user.name);
    const passwordHash = await this.#hasher.hash(user.password);
    return this.#accounts.update((state) => {
      const lower = user.name.toLowerCase();
      if (state.users.some(({ name }) => name.toLowerCase() === lower)) {
        throw new TpeError('API_CONFLICT', { reason: 'the account name is taken' });
      }
      if (state.users.length >= LARGEST_USER_COUNT) {
        throw new TpeError('API_CONFLICT', { reason: `there are ${LARGEST_USER_COUNT} users already` });
      }
      const stored: StoredUser = {
        id: state.nextUserId,
        name: user.name,
        email: user.email ?? null,
        isActive: user.isActive ?? true,
        roleIds: [...user.roleIds],
        passwordHash,
        passwordChangedAt: null,
        mustChange: true,
      };
      state.nextUserId += 1;
      state.users.push(stored);
      return stored;
    });
  }

  /** @throws API_NOT_FOUND, API_CONFLICT when no active administrator would remain. */
  async change(id: number, change: UserChange): Promise<StoredUser> {
    const changed = await this.#accounts.update((state) => {
      const user = find(state, id);
      if (change.email !== undefined) user.email = change.email;
      if (change.isActive !== undefined) user.isActive = change.isActive;
      if (change.roleIds !== undefined) user.roleIds = [...change.roleIds];
      keepAnAdministrator(state);
      return user;
    });
    if (change.isActive === false || change.roleIds !== undefined) this.#accounts.sessions.endAllOf(id);
    return changed;
  }

  /** Gives a user a password that must be changed at the next login, ends the sessions and lifts a lock. */
  async setPassword(id: number, password: string): Promise<void> {
    const { name } = find(this.#accounts.state, id);
    checkNewPassword(this.#accounts.state.passwordPolicy, password, name);
    const passwordHash = await this.#hasher.hash(password);
    await this.#accounts.update((state) => {
      const user = find(state, id);
      user.passwordHash = passwordHash;
      user.passwordChangedAt = null;
      user.mustChange = true;
    });
    this.#accounts.sessions.endAllOf(id);
    this.#accounts.lockOut.forget(name);
  }

  /** @throws API_NOT_FOUND, API_CONFLICT when no active administrator would remain. */
  async remove(id: number): Promise<void> {
    await this.#accounts.update((state) => {
      find(state, id);
      state.users = state.users.filter((user) => user.id !== id);
      keepAnAdministrator(state);
    });
    this.#accounts.sessions.endAllOf(id);
  }
}
