import type { Clock, Timer } from '../../src/common/clock';

interface Pending {
  readonly at: number;
  readonly run: () => void;
}

/** A clock that moves when the test says so. */
export class FakeClock implements Clock {
  #wall: number;
  #monotonic = 1000;
  readonly #pending = new Set<Pending>();

  /** @param wall milliseconds since 1970 to begin with. */
  constructor(wall = Date.parse('2026-11-01T00:00:00Z')) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(delayMs: number, run: () => void): Timer {
    const entry = { at: this.#monotonic + delayMs, run };
    this.#pending.add(entry);
    return { cancel: () => this.#pending.delete(entry) };
  }

  get timers(): number {
    return this.#pending.size;
  }

  /** Milliseconds until the next timer is due; `undefined` when there is none. */
  get nextInMs(): number | undefined {
    const due = [...this.#pending].map(({ at }) => at - this.#monotonic);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** Lets time pass; timers run in the order in which they are due. */
  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (;;) {
      const due = [...this.#pending].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#wall += due.at - this.#monotonic;
      this.#monotonic = due.at;
      this.#pending.delete(due);
      due.run();
    }
    this.#wall += end - this.#monotonic;
    this.#monotonic = end;
  }

  /** What NTP does: the wall clock jumps, the monotonic one does not. */
  jump(ms: number): void {
    this.#wall += ms;
  }
}
