import type { Clock, Timer } from '../../common/clock';
import type { Logger } from '../../common/logger';

/** One part of the daemon that shows that it makes progress. */
export interface Proof {
  readonly name: string;
  /**
   * Until when (milliseconds of the monotonic clock) this part may stay silent; Infinity while it has nothing to do.
   * When that moment has passed, the part is stuck.
   */
  dueBy(): number;
}

export interface WatchdogOptions {
  /** How often the service manager wants to hear from us; `undefined` when nobody watches. */
  readonly periodMs: number | undefined;
  readonly proofs: readonly Proof[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tells the service manager that all is well. */
  readonly feed: () => void;
}

/**
 * Feeds the service manager's watchdog only while every part proves progress. The event loop proves itself: its timer
 * is what calls this. When a proof fails the feeding stops, so that the manager restarts the service with a core of
 * the reason in the log.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  #timer: Timer | undefined;
  #stuck: string | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** Name of the part that is stuck. */
  get stuck(): string | undefined {
    return this.#stuck;
  }

  start(): void {
    this.#beat();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #beat(): void {
    const { clock, feed, logger, periodMs, proofs } = this.#options;
    if (periodMs === undefined) return;
    const now = clock.monotonic();
    const late = proofs.find((proof) => proof.dueBy() < now);
    if (late === undefined) {
      if (this.#stuck !== undefined) logger.warn({ part: this.#stuck }, 'a stuck part moves again');
      this.#stuck = undefined;
      feed();
    } else if (this.#stuck !== late.name) {
      this.#stuck = late.name;
      logger.fatal({ part: late.name }, 'a part makes no progress; the watchdog is not fed any more');
    }
    // A third of the period leaves room for two late timers before the manager acts.
    this.#timer = clock.after(periodMs / 3, () => this.#beat());
  }
}
