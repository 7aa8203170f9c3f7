import type { Clock } from '../../common/clock';
import { plainAddress } from '../../common/plain-address';

interface Attempts {
  /** Under way, or failed. */
  count: number;
  /** Monotonic time of the last one. */
  at: number;
}

/** Failures are forgotten when a source has kept still for so long. */
const FORGET_MS = 15 * 60_000;
/** Attempts that a source may fail, which people have logged in from, before it is one like any other. */
const CREDIT = 10;
/** Addresses and names come from the outside: each table forgets the oldest instead of growing. */
const LARGEST_TABLE = 1024;
/** The gateway itself: whoever is on it is past the network that strangers guess from. */
const isLoopback = (source: string): boolean => /^(127\.|::1$)/.test(plainAddress(source));

function remember<V>(table: Map<string, V>, key: string, value: V): void {
  // Map keeps insertion order: what is used goes last, so that the first is the one to forget.
  table.delete(key);
  table.set(key, value);
  const [oldest] = table.keys();
  if (table.size > LARGEST_TABLE && oldest !== undefined) table.delete(oldest);
}

/**
 * Who goes first when more want to log in than passwords can be hashed: sources that people have logged in from, then
 * those that have failed least. Guessers put themselves last, and many attempts at once of one source stand behind the
 * first ones of all others. Nobody is let in by it, or kept out.
 */
export class Standing {
  readonly #clock: Clock;
  readonly #attempts = new Map<string, Attempts>();
  /** Sources that people have logged in from, and `source name` for each of their accounts. */
  readonly #known = new Map<string, true>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts an attempt that begins. @returns its place: smaller goes first. */
  attempt(source: string): number {
    const now = this.#clock.monotonic();
    const before = this.#attempts.get(source);
    const count = before === undefined || now - before.at > FORGET_MS ? 0 : before.count;
    remember(this.#attempts, source, { count: count + 1, at: now });
    return this.#known.has(source) || isLoopback(source) ? count - CREDIT : count;
  }

  /** An attempt was not one of guessing: the server was busy, or it came from somebody who is logged in. */
  withdrawn(source: string): void {
    const attempts = this.#attempts.get(source);
    if (attempts === undefined) return;
    attempts.count -= 1;
    if (attempts.count <= 0) this.#attempts.delete(source);
  }

  succeeded(name: string, source: string): void {
    this.#attempts.delete(source);
    for (const key of [source, this.#pair(name, source)]) remember(this.#known, key, true);
  }

  /** Whether this account has been logged in to from there, since the agent started. */
  knows(name: string, source: string): boolean {
    return isLoopback(source) || this.#known.has(this.#pair(name, source));
  }

  #pair(name: string, source: string): string {
    return `${source} ${name.toLowerCase()}`;
  }
}
