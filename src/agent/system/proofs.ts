import type { Clock } from '../../common/clock';
import type { Proof } from './watchdog';

/**
 * Wraps an object whose methods queue up work (the TPM façade), and proves that the queue moves: while calls are
 * pending, one of them has to finish within the deadline, whatever its result.
 */
export function watchQueue<T extends object>(
  target: T,
  clock: Clock,
  name: string,
  deadlineMs: number,
): { watched: T; proof: Proof } {
  let pending = 0;
  let lastProgress = 0;
  const settled = (): void => {
    pending -= 1;
    lastProgress = clock.monotonic();
  };
  const watched = new Proxy(target, {
    get(object, property) {
      const member: unknown = Reflect.get(object, property, object);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, object, args);
        if (!isPromise(result)) return result;
        if (pending === 0) lastProgress = clock.monotonic();
        pending += 1;
        result.then(settled, settled);
        return result;
      };
    },
  });
  return { watched, proof: { name, dueBy: () => (pending === 0 ? Infinity : lastProgress + deadlineMs) } };
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** The part of the lifecycle's status that tells whether it should be moving. */
export interface MovingState {
  readonly state: string;
  /** ISO 8601; when the state wants to be left by itself. */
  readonly nextRetry?: string | undefined;
}

const RETRY_GRACE_MS = 5 * 60_000;

/** States that a step has to leave, one way or the other. */
const stepStates = new Set(['registering', 'connecting']);

/**
 * Proves that a state machine moves: a step ends within its deadline, and a retry happens when it was announced.
 * Watches on the monotonic clock, so a jump of the wall clock proves or disproves nothing.
 */
export class StateMachineProof implements Proof {
  readonly name = 'lifecycle';
  readonly #clock: Clock;
  readonly #stepDeadlineMs: number;
  #dueBy = Infinity;

  constructor(clock: Clock, stepDeadlineMs: number) {
    this.#clock = clock;
    this.#stepDeadlineMs = stepDeadlineMs;
  }

  /** To be called with every new state. */
  entered({ state, nextRetry }: MovingState): void {
    const now = this.#clock.monotonic();
    if (stepStates.has(state)) {
      this.#dueBy = now + this.#stepDeadlineMs;
    } else if (nextRetry !== undefined) {
      const waitMs = Math.max(0, Date.parse(nextRetry) - this.#clock.now());
      this.#dueBy = now + waitMs + RETRY_GRACE_MS;
    } else {
      this.#dueBy = Infinity;
    }
  }

  dueBy(): number {
    return this.#dueBy;
  }
}
