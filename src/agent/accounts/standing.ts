import type { Clock } from '../../common/clock';
import { plainAddress } from '../../common/plain-address';
import { remember } from './bounded-table';
import type { Share } from './fair-queue';

interface Failures {
  count: number;
  /** Monotonic time of the last one. */
  at: number;
}

/** Failures are forgotten when a source has failed nothing for so long. */
const FORGET_MS = 15 * 60_000;
/** Failures by which a source that people have logged in from becomes one like any other. */
const CREDIT = 10;
/** More than that make nobody wait longer: an honest client may share its address with a guesser. */
const MOST_COUNTED = 30;
/** Ten logins from a known source for one from a new one. */
const COST_OF_KNOWN = 0.1;
/** The gateway itself: whoever is on it is past the network that strangers guess from. */
const isLoopback = (source: string): boolean => /^(127\.|::1$)/.test(plainAddress(source));

/**
 * Whose turn it is when more want to log in than passwords can be hashed: sources that people have logged in from, then
 * those that have failed least. Guessers put themselves last. Nobody is let in by it, or kept out.
 */
export class Standing {
  readonly #clock: Clock;
  readonly #failures = new Map<string, Failures>();
  /** Sources that people have logged in from, and `source name` for each of their accounts. */
  readonly #known = new Map<string, true>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What hashing a password for this source costs it. */
  share(source: string): Share {
    const failures = this.#failuresOf(source);
    const known = this.#known.has(source) || isLoopback(source);
    const cost = known && failures < CREDIT ? COST_OF_KNOWN : 1 + Math.min(failures, MOST_COUNTED);
    return { owner: source, cost };
  }

  failed(source: string): void {
    remember(this.#failures, source, { count: this.#failuresOf(source) + 1, at: this.#clock.monotonic() });
  }

  succeeded(name: string, source: string): void {
    this.#failures.delete(source);
    for (const key of [source, this.#pair(name, source)]) remember(this.#known, key, true);
  }

  /** Whether this account has been logged in to from there, since the agent started. */
  knows(name: string, source: string): boolean {
    return isLoopback(source) || this.#known.has(this.#pair(name, source));
  }

  #failuresOf(source: string): number {
    const failures = this.#failures.get(source);
    return failures === undefined || this.#clock.monotonic() - failures.at > FORGET_MS ? 0 : failures.count;
  }

  #pair(name: string, source: string): string {
    return `${source} ${name.toLowerCase()}`;
  }
}
