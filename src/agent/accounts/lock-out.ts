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

interface Record_ {
  /** Monotonic times of the failures inside the window, oldest first. */
  failures: number[];
  lockedUntil: number;
}

const MINUTE_MS = 60_000;
/** Names and addresses come from the outside: the table forgets the oldest instead of growing. */
const LARGEST_TABLE = 2048;
/** A source may be a jump host or a NAT for several people: it gets more attempts than one account. */
const SOURCE_FACTOR = 3;

/** Counts failed logins for each account name and each source address. Names that do not exist are counted alike. */
export class LockOut {
  readonly #clock: Clock;
  readonly #settings: () => LockOutSettings;
  readonly #records = new Map<string, Record_>();

  constructor(clock: Clock, settings: () => LockOutSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  /**
   * Counts an attempt as failed before it is known: otherwise parallel guesses would all be admitted before the first
   * has failed. {@link succeeded} takes it back.
   * @throws API_ACCOUNT_BANNED
   */
  attempt(name: string, source: string): void {
    const { enable, failTimes } = this.#settings();
    if (!enable) return;
    const account = this.#record(`account ${name.toLowerCase()}`);
    const origin = this.#record(`source ${source}`);
    const lockedUntil = Math.max(account.lockedUntil, origin.lockedUntil);
    const now = this.#clock.monotonic();
    if (lockedUntil > now) {
      throw new TpeError('API_ACCOUNT_BANNED', { retryAfterSec: Math.ceil((lockedUntil - now) / 1000) });
    }
    this.#fail(account, failTimes, now);
    this.#fail(origin, failTimes * SOURCE_FACTOR, now);
  }

  succeeded(name: string, source: string): void {
    this.#records.delete(`account ${name.toLowerCase()}`);
    this.#records.delete(`source ${source}`);
  }

  /** Takes back one attempt that was not judged, e.g. because the server was busy. */
  withdrawn(name: string, source: string): void {
    for (const key of [`account ${name.toLowerCase()}`, `source ${source}`]) {
      const record = this.#records.get(key);
      record?.failures.pop();
      if (record !== undefined) record.lockedUntil = 0;
    }
  }

  /** An administrator lifts the lock of an account. */
  forget(name: string): void {
    this.#records.delete(`account ${name.toLowerCase()}`);
  }

  #fail(record: Record_, limit: number, now: number): void {
    const { failWindow, lockWindow } = this.#settings();
    record.failures = record.failures.filter((at) => at > now - failWindow * MINUTE_MS);
    record.failures.push(now);
    if (record.failures.length < limit) return;
    record.lockedUntil = now + lockWindow * MINUTE_MS;
    record.failures = [];
  }

  #record(key: string): Record_ {
    const known = this.#records.get(key) ?? { failures: [], lockedUntil: 0 };
    // Map keeps insertion order: the most recently used goes last, so that the first is the one to forget.
    this.#records.delete(key);
    this.#records.set(key, known);
    if (this.#records.size > LARGEST_TABLE) this.#evict();
    return known;
  }

  #evict(): void {
    const now = this.#clock.monotonic();
    for (const [key, record] of this.#records) {
      // A lock may not be washed out by a flood of other names.
      if (record.lockedUntil > now) continue;
      this.#records.delete(key);
      return;
    }
    const [oldest] = this.#records.keys();
    if (oldest !== undefined) this.#records.delete(oldest);
  }
}
