/** A running timer. */
export interface Timer {
  cancel(): void;
}

/** The time, behind a seam so that tests can move it. All values in milliseconds. */
export interface Clock {
  /** Wall clock, since 1970-01-01T00:00Z. Jumps with NTP. */
  now(): number;
  /** Never jumps, never goes back; its zero means nothing. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`. Timers do not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
}

/** setTimeout turns a longer delay into 1 ms. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic() {
    // Not performance.now(): that global loads modules of Node.js for 2 ms of each start.
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  },
  after(delayMs, run) {
    let handle: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, LONGEST_TIMEOUT_MS);
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), stepMs);
      handle.unref();
    };
    arm(Math.max(0, delayMs));
    // Node.js keeps the list of an unreferenced duration after its only timer was cleared, until the duration is over;
    // every renewal has a random one of almost an hour.
    return { cancel: () => clearTimeout(handle.ref()) };
  },
};

/** Resolves after `delayMs` by this clock, or at once when the signal is aborted. */
export async function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
