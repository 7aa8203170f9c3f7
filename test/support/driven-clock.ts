import type { Timer } from '../../src/common/clock';
import { FakeClock } from './fake-clock';

/** How long the agent bounds its operations with the hub: send and twin, connect, close. */
const OPERATION_BOUNDS_MS: readonly number[] = [30_000, 20_000, 1500];
/** After this much real time the operation may meet its bound. */
const PATIENCE_MS = 3000;

/**
 * Days in seconds, with real TPM, disk and network: time jumps to the next timer, but stands still while an operation is
 * under way, which shows in the timer that bounds it.
 */
export class DrivenClock extends FakeClock {
  #operations = 0;
  #done: (() => void) | undefined;

  override after(delayMs: number, run: () => void): Timer {
    if (!OPERATION_BOUNDS_MS.includes(delayMs)) return super.after(delayMs, run);
    this.#operations += 1;
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      this.#operations -= 1;
      if (this.#operations === 0) this.#done?.();
    };
    const timer = super.after(delayMs, () => {
      end();
      run();
    });
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }

  /** Lets `ms` pass, one timer after the other. */
  async pass(ms: number): Promise<void> {
    const end = this.monotonic() + ms;
    for (;;) {
      await this.#settled();
      const left = end - this.monotonic();
      const next = this.nextInMs ?? Infinity;
      this.advance(Math.min(left, next));
      if (next >= left) break;
    }
    await this.#settled();
  }

  async #settled(): Promise<void> {
    // What a timer started runs on in microtasks before it sets a bound.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.#operations === 0) return;
    await new Promise<void>((resolve) => {
      const tired = setTimeout(resolve, PATIENCE_MS);
      this.#done = () => {
        clearTimeout(tired);
        resolve();
      };
    });
    this.#done = undefined;
  }
}
