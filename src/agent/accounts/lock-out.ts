import { type Static, Type } from '@sinclair/typebox';
import { TpeError } from '../../common/errors/tpe-error';
import type { Clock } from '../../common/clock';

/** `/auth-lock`; windows in minutes. */
export const LockOutSettings = Type.Object({
  enable: Type.Boolean(),
  failWindow: Type.Integer({ minimum: 1, maximum: 1440 }),
  failTimes: Type.Integer({ minimum: 1, maximum: 100 }),
  lockWindow: Type.Integer({ minimum: 1, maximum: 1440 }),
});
export type LockOutSettings = Static<typeof LockOutSettings>;

export const DEFAULT_LOCK_OUT: LockOutSettings = {
  enable: true,
  failWindow: 15,
  failTimes: 10,
  lockWindow: 10,
};

interface Counter {
  /** Monotonic times of the failures inside the window, oldest first. */
  failures: number[];
  lockedUntil: number;
  /** Counts an account that exists: a flood of invented names must not push it out. */
  readonly kept: boolean;
}

interface Counted {
  readonly key: string;
  /** Failures that lock. */
  readonly limit: number;
  readonly ofAccount: boolean;
}

const MINUTE_MS = 60_000;
/** Names and addresses come from the outside: the table forgets the oldest instead of growing. */
const LARGEST_TABLE = 2048;
/** A source may be a jump host or a NAT for several people: it gets more attempts than one account from it. */
const SOURCE_FACTOR = 3;
/** An account is locked for everybody only when several sources guess: one of them must not lock its owner out. */
const ACCOUNT_FACTOR = 5;

/**
 * Counts failed logins for each account from each source, for each source, and for each account. Names that do not
 * exist are counted alike. A source from which the account was logged in to before is outside the account's own count:
 * strangers from all over the network must not be able to lock its owner out.
 */
export class LockOut {
  readonly #clock: Clock;
  readonly #settings: () => LockOutSettings;
  readonly #exists: (name: string) => boolean;
  readonly #counters = new Map<string, Counter>();

  /** @param exists whether an account of this name (lower case) exists. */
  constructor(
    clock: Clock,
    settings: () => LockOutSettings,
    exists: (name: string) => boolean = () => false,
  ) {
    this.#clock = clock;
    this.#settings = settings;
    this.#exists = exists;
  }

  /**
   * Counts an attempt as failed before it is known: otherwise parallel guesses would all be admitted before the first
   * has failed. {@link succeeded} takes it back.
   * @param known whether this account was logged in to from there before.
   * @throws API_ACCOUNT_BANNED
   */
  attempt(name: string, source: string, known = false): void {
    if (!this.#settings().enable) return;
    const now = this.#clock.monotonic();
    const counted = this.#counted(name, source, known);
    for (const { key } of counted) this.#refuseWhileLocked(key, now);
    const exists = this.#exists(name.toLowerCase());
    for (const { key, limit, ofAccount } of counted) {
      this.#fail(this.#counter(key, exists && ofAccount), limit, now);
    }
  }

  succeeded(name: string, source: string, known = false): void {
    for (const { key } of this.#counted(name, source, known)) this.#counters.delete(key);
  }

  /** Takes back one attempt that was not judged, e.g. because the server was busy. */
  withdrawn(name: string, source: string, known = false): void {
    for (const { key, limit } of this.#counted(name, source, known)) {
      const counter = this.#counters.get(key);
      if (counter === undefined) continue;
      counter.failures.pop();
      // Only a lock that this attempt alone has brought about goes with it.
      if (counter.failures.length < limit) counter.lockedUntil = 0;
    }
  }

  /** An administrator lifts the lock of an account, wherever it was locked from. */
  forget(name: string): void {
    const [pair, account] = this.#accountKeys(name, '');
    for (const key of [...this.#counters.keys()]) {
      if (key === account || key.startsWith(pair)) this.#counters.delete(key);
    }
  }

  /** What an attempt is counted for. The source comes first: one that is locked out makes no new counters. */
  #counted(name: string, source: string, known: boolean): Counted[] {
    const { failTimes } = this.#settings();
    const [pair, account] = this.#accountKeys(name, source);
    const counted = [
      { key: `source ${source}`, limit: failTimes * SOURCE_FACTOR, ofAccount: false },
      { key: pair, limit: failTimes, ofAccount: false },
    ];
    return known
      ? counted
      : [...counted, { key: account, limit: failTimes * ACCOUNT_FACTOR, ofAccount: true }];
  }

  /** Of the account from this source, and of the account. No account name contains a space. */
  #accountKeys(name: string, source: string): [string, string] {
    const lower = name.toLowerCase();
    return [`pair ${lower} ${source}`, `account ${lower}`];
  }

  #refuseWhileLocked(key: string, now: number): void {
    const counter = this.#counters.get(key);
    if (counter === undefined || counter.lockedUntil === 0) return;
    if (counter.lockedUntil > now) {
      const retryAfterSec = Math.ceil((counter.lockedUntil - now) / 1000);
      throw new TpeError('API_ACCOUNT_BANNED', { retryAfterSec });
    }
    counter.lockedUntil = 0;
    counter.failures = [];
  }

  #fail(counter: Counter, limit: number, now: number): void {
    const { failWindow, lockWindow } = this.#settings();
    counter.failures = counter.failures.filter((at) => at > now - failWindow * MINUTE_MS);
    counter.failures.push(now);
    if (counter.failures.length >= limit) counter.lockedUntil = now + lockWindow * MINUTE_MS;
  }

  #counter(key: string, kept: boolean): Counter {
    const known = this.#counters.get(key) ?? { failures: [], lockedUntil: 0, kept };
    // Map keeps insertion order: the most recently used goes last, so that the first is the one to forget.
    this.#counters.delete(key);
    this.#counters.set(key, known);
    if (this.#counters.size > LARGEST_TABLE) this.#evict();
    return known;
  }

  #evict(): void {
    const now = this.#clock.monotonic();
    for (const [key, counter] of this.#counters) {
      // A lock may not be washed out by a flood of other names.
      if (counter.lockedUntil > now || counter.kept) continue;
      this.#counters.delete(key);
      return;
    }
    const [oldest] = this.#counters.keys();
    if (oldest !== undefined) this.#counters.delete(oldest);
  }
}
