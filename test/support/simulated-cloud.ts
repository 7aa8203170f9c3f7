import type { Input, ReprovisionPolicy } from '../../src/agent/connection/fsm';
import { type Effects, Runner } from '../../src/agent/connection/runner';
import type { LifecycleState } from '../../src/protocol/api-types';
import type { FakeClock } from './fake-clock';

/** How the cloud behaves towards one gateway at the moment. */
export interface Weather {
  dps: 'assigns' | 'retryable' | 'refuses' | 'throttles' | 'hangs';
  hub: 'takes' | 'refuses' | 'unreachable' | 'hangs';
  tpm: 'fine' | 'fails' | 'cleared';
}

export const FINE: Weather = { dps: 'assigns', hub: 'takes', tpm: 'fine' };

/** Every operation takes this long by the fake clock. */
export const OPERATION_MS = 200;
const HANG_MS = 30_000;

/** One gateway's runner against a cloud made of rules, by a fake clock. */
export class SimulatedGateway implements Effects {
  weather: Weather = { ...FINE };
  assigned: boolean;
  connected = false;
  running = 0;
  timePlausible = true;
  policy: ReprovisionPolicy = 'dynamic';
  readonly registrationsAt: number[] = [];
  readonly connectsAt: number[] = [];
  readonly faults: string[] = [];
  readonly visited = new Set<LifecycleState>();
  readonly runner: Runner;
  /** Asked at every registration; an answer is a Retry-After in milliseconds. */
  throttle: () => number = () => 0;

  constructor(
    readonly clock: FakeClock,
    random: () => number,
    assigned = false,
  ) {
    this.assigned = assigned;
    this.runner = new Runner({
      effects: this,
      clock,
      random,
      timePlausible: () => this.timePlausible,
      policy: () => this.policy,
      onStep: () => this.visited.add(this.runner.machine.name),
    });
  }

  configure(enabled: boolean, boot = false): void {
    this.runner.take({ type: 'configured', enabled, assigned: this.assigned, boot });
  }

  /** The hub or the network ends the connection. */
  lose(): void {
    if (!this.connected) return;
    this.connected = false;
    this.runner.take({ type: 'dropped' });
  }

  drop(): void {
    this.connected = false;
  }

  async register(signal: AbortSignal): Promise<Input> {
    this.registrationsAt.push(this.clock.monotonic());
    const { dps } = this.weather;
    const waitMs = this.throttle();
    await this.#operation(signal, dps === 'hangs');
    if (waitMs > 0) return { type: 'registrationFailed', retryable: true, retryAfterMs: waitMs };
    if (dps === 'refuses') return { type: 'registrationFailed', retryable: false };
    if (dps === 'throttles') return { type: 'registrationFailed', retryable: true, retryAfterMs: 60_000 };
    if (dps !== 'assigns') return { type: 'registrationFailed', retryable: true };
    this.assigned = true;
    return { type: 'registered' };
  }

  async connect(signal: AbortSignal): Promise<Input> {
    if (!this.assigned) this.faults.push('connected to a hub without an assignment');
    this.connectsAt.push(this.clock.monotonic());
    const { hub, tpm } = this.weather;
    await this.#operation(signal, hub === 'hangs');
    if (tpm === 'cleared') return { type: 'keyLost' };
    if (tpm === 'fails') return { type: 'tpmFailed' };
    if (hub === 'refuses') return { type: 'refused' };
    if (hub !== 'takes') return { type: 'unreachable' };
    if (!signal.aborted) this.connected = true;
    return { type: 'connected' };
  }

  async #operation(signal: AbortSignal, hangs: boolean): Promise<void> {
    this.running += 1;
    if (this.running > 1) this.faults.push('two operations at once');
    if (this.connected) this.faults.push('an operation beside a connection');
    await new Promise<void>((resolve) => {
      const over = (): void => {
        this.running -= 1;
        timer.cancel();
        signal.removeEventListener('abort', over);
        resolve();
      };
      const timer = this.clock.after(hangs ? HANG_MS : OPERATION_MS, over);
      signal.addEventListener('abort', over);
    });
  }
}

/** Lets promises that are settled go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i += 1) await Promise.resolve();
}

/** Moves the clock in steps, letting every operation's outcome in between be taken. */
export async function pass(clock: FakeClock, ms: number, stepMs = OPERATION_MS): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await settle();
  }
}
