import { join } from 'node:path';
import type { Clock } from '../../common/clock';
import { TpeError, isTpeError } from '../../common/errors/tpe-error';
import { StateFile } from '../../common/fs/state-file';
import { DEFAULT_PASSWORD } from '../../protocol/api-types';
import { ACCOUNTS_FILE, initialAccounts } from './initial-accounts';
import { DEFAULT_LOCK_OUT, LockOut } from './lock-out';
import type { PasswordHasher } from './password-hasher';
import { checkNewPassword } from './password-policy';
import { AccountsState, type StoredUser } from './schema';
import { DEFAULT_SESSION_SETTINGS, type Session, Sessions } from './sessions';
import { Standing } from './standing';

export interface AccountsOptions {
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly hasher: PasswordHasher;
}

interface Attempt {
  readonly name: string;
  readonly password: string;
  /** `undefined` for a name that does not exist. */
  readonly hash: string | undefined;
  readonly source: string;
  /** Whether this account was logged in to from there before. */
  readonly known: boolean;
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
  readonly #standing: Standing;
  #state: AccountsState | undefined;
  #damage = '';
  /** Changes are applied one after the other, each on what the one before has committed. */
  #changes: Promise<unknown> = Promise.resolve();

  private constructor(options: AccountsOptions) {
    this.#file = new StateFile(join(options.stateFolder, ACCOUNTS_FILE), AccountsState);
    this.#clock = options.clock;
    this.#hasher = options.hasher;
    this.#standing = new Standing(options.clock);
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
    const found = this.userNamed(name);
    const known = this.#standing.knows(name, source);
    const attempt = { name, password, hash: found?.passwordHash, source, known };
    const fits = await this.#judge(attempt);
    // Another request may have changed the password or switched the user off in the meantime.
    const user = found === undefined ? undefined : this.user(found.id);
    const unchanged = before === this.state || user?.passwordHash === found?.passwordHash;
    if (!fits || user?.isActive !== true || !unchanged) {
      this.#standing.failed(source);
      throw new TpeError('API_LOGIN_FAILED');
    }
    this.#succeeded(attempt);
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
    const passwordHash = await this.#hashOfChange(user, change, source);
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

  async #hashOfChange(
    user: StoredUser,
    { newPassword, oldPassword }: { newPassword: string; oldPassword?: string | undefined },
    source: string,
  ): Promise<string> {
    if (oldPassword !== undefined) await this.#checkOld(user, oldPassword, source);
    else if (!user.mustChange) throw new TpeError('API_OLD_PASSWORD_WRONG');
    checkNewPassword(this.state.passwordPolicy, newPassword, user.name);
    if (await this.#hasher.verify(newPassword, user.passwordHash, this.#standing.share(source))) {
      throw new TpeError('API_PASSWORD_UNCHANGED');
    }
    return this.#hasher.hash(newPassword, this.#standing.share(source));
  }

  async #checkOld({ name, passwordHash: hash }: StoredUser, password: string, source: string) {
    const attempt = { name, password, hash, source, known: this.#standing.knows(name, source) };
    if (!(await this.#judge(attempt))) {
      this.#standing.failed(source);
      throw new TpeError('API_OLD_PASSWORD_WRONG');
    }
    this.#succeeded(attempt);
  }

  /** Whether the password fits; counted as a guess until {@link #succeeded} says otherwise. */
  async #judge({ name, password, hash, source, known }: Attempt): Promise<boolean> {
    this.lockOut.attempt(name, source, known);
    try {
      return await this.#hasher.verify(password, hash, this.#standing.share(source));
    } catch (error) {
      this.lockOut.withdrawn(name, source, known);
      throw error;
    }
  }

  #succeeded({ name, source, known }: Attempt): void {
    this.lockOut.succeeded(name, source, known);
    this.#standing.succeeded(name, source);
  }
}
