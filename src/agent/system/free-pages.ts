import type { Clock, Timer } from '../../common/clock';

/** By then a start has let go of what only it needs. */
const FIRST_MS = 60_000;
const EVERY_MS = 3_600_000;

/**
 * Gives pages of malloc's heap that hold no block back to the kernel, a minute after the start and then hourly. V8's
 * optimizing compiler takes several MiB now and then; a block that lives on above them keeps glibc from returning them, so
 * that the process would stay as large as its worst moment.
 */
export class FreePages {
  readonly #clock: Clock;
  readonly #giveBack: () => void;
  #timer: Timer | undefined;

  /** @param giveBack takes about a millisecond */
  constructor(clock: Clock, giveBack: () => void) {
    this.#clock = clock;
    this.#giveBack = giveBack;
  }

  start(): void {
    this.#next(FIRST_MS);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #next(delayMs: number): void {
    this.#timer = this.#clock.after(delayMs, () => {
      this.#giveBack();
      this.#next(EVERY_MS);
    });
  }
}
