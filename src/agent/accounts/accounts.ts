import { join } from 'node:path';
import type { Clock } from '../../common/clock';
import { TpeError, isTpeError } from '../../common/errors/tpe-error';
import { StateFile } from '../../common/fs/state-file';
import { DEFAULT_PASSWORD, DEFAULT_USER } from '../../protocol/api-types';
import { DEFAULT_LOCK_OUT, LockOut } from './lock-out';
import type { PasswordHasher } from './password-hasher';
import { DEFAULT_POLICY, checkNewPassword } from './password-policy';
import { ADMINISTRATOR } from './permissions';
import { AccountsState, type StoredUser } from './schema';
import { DEFAULT_SESSION_SETTINGS, type Session, Sessions } from './sessions';

export const ACCOUNTS_FILE = 'accounts.json';

export interface AccountsOptions {
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly hasher: PasswordHasher;
}

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

/**
 * Users, their passwords, lock-out and sessions.
 *
 * When the stored accounts are damaged nothing falls back to the factory's password: every call that needs them
 * throws API_ACCOUNTS_LOCKED until the file is restored or reset.
 */
export class Accounts {
  readonly sessions: Sessions;
  readonly lockOut: LockOut;
  readonly #file: StateFile<typeof AccountsState>;
  readonly #clock: Clock;
  readonly #hasher: PasswordHasher;
  #state: AccountsState | undefined;
  #damage = '';
  /** Changes are applied one after the other, each on what the one before has committed. */
  #changes: Promise<unknown> = Promise.resolve();

  private constructor(options: AccountsOptions) {
    this.#file = new StateFile(join(options.stateFolder, ACCOUNTS_FILE), AccountsState);
    this.#clock = options.clock;
    this.#hasher = options.hasher;
    this.sessions = new Sessions(options.clock, () => this.#state?.sessions ?? DEFAULT_SESSION_SETTINGS);
    this.lockOut = new LockOut(
      options.clock,
      () => this.#state?.lockOut ?? DEFAULT_LOCK_OUT,
      (name) => this.#state?.users.some((user) => user.name.toLowerCase() === name) ?? false,
    );
  }

  /** Reads the accounts; a gateway that has none gets `admin` with the factory's password. */
  static async open(options: AccountsOptions): Promise<Accounts> {
    const accounts = new Accounts(options);
    await accounts.#load();
    return accounts;
  }

  /** Why nobody can log in; `undefined` when all is well. */
  get locked(): TpeError | undefined {
    return this.#state === undefined
      ? new TpeError('API_ACCOUNTS_LOCKED', { reason: this.#damage })
      : undefined;
  }

  /** @throws API_ACCOUNTS_LOCKED */
  get state(): AccountsState {
    if (this.#state === undefined) throw new TpeError('API_ACCOUNTS_LOCKED', { reason: this.#damage });
    return this.#state;
  }

  user(id: number): StoredUser | undefined {
    return this.state.users.find((user) => user.id === id);
  }

  /** Names are compared without case, so that `Admin` cannot be made beside `admin`. */
  userNamed(name: string): StoredUser | undefined {
    const lower = name.toLowerCase();
    return this.state.users.find((user) => user.name.toLowerCase() === lower);
  }

  /**
   * Checks name and password and opens a session.
   * @param source address of the client.
   * @throws API_LOGIN_FAILED (the same for unknown names, wrong passwords and inactive users), API_ACCOUNT_BANNED,
   *   API_BUSY, API_ACCOUNTS_LOCKED.
   */
  async login(
    name: string,
    password: string,
    source: string,
  ): Promise<{ session: Session; user: StoredUser }> {
    const before = this.state;
    this.lockOut.attempt(name, source);
    const found = this.userNamed(name);
    let fits: boolean;
    try {
      fits = await this.#hasher.verify(password, found?.passwordHash);
    } catch (error) {
      this.lockOut.withdrawn(name, source);
      throw error;
    }
    // Another request may have changed the password or switched the user off in the meantime.
    const user = found === undefined ? undefined : this.user(found.id);
    const unchanged = before === this.state || user?.passwordHash === found?.passwordHash;
    if (!fits || user?.isActive !== true || !unchanged) throw new TpeError('API_LOGIN_FAILED');
    this.lockOut.succeeded(name, source);
    return { session: this.sessions.open(user.id, source), user };
  }

  /**
   * Changes a user's own password and ends all their sessions, the calling one too: whoever held the old password is
   * out at once. The old password may be left out only while the initial one must change.
   * @throws API_OLD_PASSWORD_WRONG, API_PASSWORD_IS_DEFAULT, API_PASSWORD_UNCHANGED, API_PASSWORD_TOO_WEAK,
   *   API_ACCOUNT_BANNED, API_BUSY.
   */
  async changeOwnPassword(
    userId: number,
    change: { newPassword: string; oldPassword?: string | undefined },
    source: string,
  ): Promise<void> {
    const user = this.user(userId);
    if (user === undefined) throw new TpeError('API_TOKEN_INVALID');
    if (change.oldPassword !== undefined) await this.#checkOld(user, change.oldPassword, source);
    else if (!user.mustChange) throw new TpeError('API_OLD_PASSWORD_WRONG');
    checkNewPassword(this.state.passwordPolicy, change.newPassword, user.name);
    if (await this.#hasher.verify(change.newPassword, user.passwordHash)) {
      throw new TpeError('API_PASSWORD_UNCHANGED');
    }
    const passwordHash = await this.#hasher.hash(change.newPassword);
    await this.update((state) => {
      const stored = state.users.find(({ id }) => id === userId);
      // Two changes at once: the second was checked against a password that is no longer the present one.
      if (stored?.passwordHash !== user.passwordHash) throw new TpeError('API_OLD_PASSWORD_WRONG');
      stored.passwordHash = passwordHash;
      stored.passwordChangedAt = new Date(this.#clock.now()).toISOString();
      stored.mustChange = false;
    });
    this.sessions.endAllOf(userId);
  }

  /** Commits a change of the stored accounts: `edit` works on a copy, which becomes the state when it is on disk. */
  async update<T>(edit: (state: AccountsState) => T): Promise<T> {
    const turn = this.#changes.then(async () => {
      const copy = structuredClone(this.state);
      const result = edit(copy);
      await this.#file.save(copy);
      this.#state = copy;
      return result;
    });
    this.#changes = turn.catch(() => undefined);
    return turn;
  }

  /** Back to the factory: `admin` with the initial password of this gateway, everybody logged out. */
  async reset(passwordHash?: string): Promise<void> {
    const fresh = initialAccounts(passwordHash ?? (await this.#hasher.hash(DEFAULT_PASSWORD)));
    const turn = this.#changes.then(async () => {
      await this.#file.save(fresh);
      this.#state = fresh;
    });
    this.#changes = turn.catch(() => undefined);
    await turn;
    this.sessions.endAll();
  }

  async #load(): Promise<void> {
    try {
      this.#state = await this.#file.load();
    } catch (error) {
      if (!isTpeError(error, 'STATE_DAMAGED')) throw error;
      this.#damage = error.message;
      return;
    }
    if (this.#state === undefined) await this.reset();
  }

  async #checkOld(user: StoredUser, password: string, source: string): Promise<void> {
    this.lockOut.attempt(user.name, source);
    let fits: boolean;
    try {
      fits = await this.#hasher.verify(password, user.passwordHash);
    } catch (error) {
      this.lockOut.withdrawn(user.name, source);
      throw error;
    }
    if (!fits) throw new TpeError('API_OLD_PASSWORD_WRONG');
    this.lockOut.succeeded(user.name, source);
  }
}
