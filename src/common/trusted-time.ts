import type { Clock } from './clock';

/** How long an observed time is better than the local clock; the monotonic clock drifts by seconds a day. */
const OBSERVATION_LIFE_MS = 24 * 60 * 60 * 1000;

/** A Date header has a resolution of one second and travels; a smaller difference is no knowledge. */
const SMALLEST_DIFFERENCE_MS = 30_000;

/**
 * The time that tokens are made with. A server behind verified TLS knows it better than a gateway without a
 * battery-backed clock; what it says is carried on by the monotonic clock, so that a jump of the local clock does not
 * matter.
 */
export class TrustedTime {
  readonly #clock: Clock;
  #observed: { timeMs: number; monotonicMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since 1970. */
  now(): number {
    const local = this.#clock.now();
    if (this.#observed === undefined) return local;
    const passed = this.#clock.monotonic() - this.#observed.monotonicMs;
    if (passed > OBSERVATION_LIFE_MS) return local;
    const carried = this.#observed.timeMs + passed;
    return Math.abs(carried - local) < SMALLEST_DIFFERENCE_MS ? local : carried;
  }

  /** Milliseconds that the local clock is ahead of what was observed; 0 when they agree or nothing was observed. */
  skewMs(): number {
    return this.#clock.now() - this.now();
  }

  /** Takes a server's time. Only for answers behind verified TLS. */
  observe(timeMs: number): void {
    this.#observed = { timeMs, monotonicMs: this.#clock.monotonic() };
  }
}
