import type { Clock, Timer } from '../../common/clock';
import type { LifecycleState } from '../../protocol/api-types';
import { type Effect, INITIAL, type Input, type Machine, type ReprovisionPolicy, step } from './fsm';

/** What the state machine has done in the world. */
export interface Effects {
  /** One registration, until it is committed. Never rejects. */
  register(signal: AbortSignal): Promise<Input>;
  /** One attempt to connect. Never rejects. */
  connect(signal: AbortSignal, checkTime: boolean): Promise<Input>;
  /** Ends the connection. */
  drop(): void;
}

export interface RunnerOptions {
  readonly effects: Effects;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timePlausible: () => boolean;
  readonly policy: () => ReprovisionPolicy;
  readonly onStep: (from: LifecycleState, input: Input) => void;
}

/** Feeds the state machine and carries out its effects: one operation or one timer at a time. */
export class Runner {
  readonly #options: RunnerOptions;
  #machine: Machine = INITIAL;
  #timer: Timer | undefined;
  /** Of the monotonic clock. */
  #dueAt: number | undefined;
  #operation: AbortController | undefined;
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  get machine(): Machine {
    return this.#machine;
  }

  /** When the wait is over, in milliseconds of the monotonic clock. */
  get dueAt(): number | undefined {
    return this.#dueAt;
  }

  /** The same by the wall clock as it goes now, which may have jumped since: milliseconds since 1970. */
  get nextRetryAt(): number | undefined {
    const { clock } = this.#options;
    return this.#dueAt === undefined ? undefined : clock.now() + this.#dueAt - clock.monotonic();
  }

  take(input: Input): void {
    if (this.#stopped) return;
    const { clock, random, timePlausible, policy, onStep } = this.#options;
    const from = this.#machine.name;
    const { machine, effects } = step(this.#machine, input, {
      nowMs: clock.monotonic(),
      random: random(),
      timePlausible: timePlausible(),
      policy: policy(),
    });
    this.#machine = machine;
    if (effects.length > 0) this.#cancelTimer();
    for (const effect of effects) this.#perform(effect);
    onStep(from, input);
  }

  /** Calls off what is under way; takes no input any more. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
    this.#callOff();
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dueAt = undefined;
  }

  #callOff(): void {
    this.#operation?.abort();
    this.#operation = undefined;
  }

  #perform(effect: Effect): void {
    const { clock, effects } = this.#options;
    switch (effect.type) {
      case 'wait':
        this.#dueAt = clock.monotonic() + effect.ms;
        this.#timer = clock.after(effect.ms, () => this.take({ type: 'timer' }));
        return;
      case 'drop':
        this.#callOff();
        effects.drop();
        return;
      case 'register':
        this.#run(async (signal) => effects.register(signal));
        return;
      case 'connect':
        this.#run(async (signal) => effects.connect(signal, effect.checkTime));
        return;
    }
  }

  /** Runs one operation; its outcome counts only while no other has taken its place. */
  #run(operation: (signal: AbortSignal) => Promise<Input>): void {
    this.#callOff();
    const abort = new AbortController();
    this.#operation = abort;
    void operation(abort.signal).then((input) => {
      if (this.#operation !== abort) return;
      this.#operation = undefined;
      this.take(input);
    });
  }
}
