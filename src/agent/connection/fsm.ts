import { fullJitter } from '../../common/backoff';
import type { LifecycleState } from '../../protocol/api-types';

/** `azure.reprovision` of the settings; the meaning is that of IoT Edge's auto_reprovisioning_mode. */
export type ReprovisionPolicy = 'dynamic' | 'alwaysOnStartup' | 'onErrorOnly';

/** What the machine remembers beside the name of its state. Times are of the monotonic clock, in milliseconds. */
export interface Context {
  /** Settings say: source dps, method tpm, enabled. */
  readonly enabled: boolean;
  /** There is a committed assignment (hub, device id, key) that fits the settings. */
  readonly assigned: boolean;
  /**
   * DPS is asked before the hub although there is an assignment: as a `wish` of the policy or an operator, who keep
   * the hub when it does not come true, or as a `fallback` because the hub does not take the gateway.
   */
  readonly askDps: 'no' | 'wish' | 'fallback';
  /** Failures in a row, for the back-off. */
  readonly attempt: number;
  /** CONNACK 4 or 5 since the last connection. */
  readonly refusals: number;
  /** Hub keys that the TPM would not load since the last connection. */
  readonly keyLosses: number;
  /** Since when the hub cannot be reached. */
  readonly unreachableSince: number | undefined;
  /** When the hub's behaviour last led to a registration. */
  readonly lastFallbackAt: number | undefined;
  readonly connectedAt: number | undefined;
}

export interface Machine {
  readonly name: LifecycleState;
  readonly context: Context;
}

export type Input =
  /** The agent starts, or the settings changed; `assigned` says whether the committed assignment fits them. */
  | {
      readonly type: 'configured';
      readonly enabled: boolean;
      readonly assigned: boolean;
      readonly boot: boolean;
    }
  /** The timer of the last `wait` is up. */
  | { readonly type: 'timer' }
  /** The registration is committed. */
  | { readonly type: 'registered' }
  | { readonly type: 'registrationFailed'; readonly retryable: boolean; readonly retryAfterMs?: number }
  /** The TPM could not load the hub key: TPM2_Clear made another SRK. */
  | { readonly type: 'keyLost' }
  /** The TPM failed in another way while connecting (busy, gone, authorization). */
  | { readonly type: 'tpmFailed' }
  | { readonly type: 'connected' }
  /** CONNACK 4 or 5. */
  | { readonly type: 'refused' }
  /** No connection came about: DNS, TCP, TLS, time-out, CONNACK 3. */
  | { readonly type: 'unreachable' }
  /** An existing connection ended. */
  | { readonly type: 'dropped' }
  /** An operator wants the next attempt now. */
  | { readonly type: 'retry' }
  /** An operator wants a new registration. */
  | { readonly type: 'reprovision' };

export type InputType = Input['type'];

export type Effect =
  | { readonly type: 'register' }
  /** `checkTime`: ask a server behind verified TLS for the time first, and sign a fresh token. */
  | { readonly type: 'connect'; readonly checkTime: boolean }
  /** End whatever is under way: registration, connection attempt or connection. */
  | { readonly type: 'drop' }
  | { readonly type: 'wait'; readonly ms: number };

/** What a step may know of the world; given as values, so that a step is pure. */
export interface World {
  /** Monotonic clock, milliseconds. */
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
  /** The clock is not before the build date of this agent. */
  readonly timePlausible: boolean;
  readonly policy: ReprovisionPolicy;
}

export interface Step {
  readonly machine: Machine;
  readonly effects: readonly Effect[];
}

const MINUTE = 60_000;
export const TIMES = {
  hubBackoff: { baseMs: 2000, capMs: 5 * MINUTE },
  dpsBackoff: { baseMs: 2000, capMs: 10 * MINUTE },
  /** After a power cut a plant starts at once: what is not urgent spreads over this. */
  bootSpreadMs: 10_000,
  /** Between two registrations that the hub's behaviour led to, and how long a hub may be unreachable before DPS is asked. */
  fallbackMs: 30 * MINUTE,
  /** A final refusal of DPS is looked at again: enrollments are enabled and made again without anybody telling us. */
  failedMs: { from: 10 * MINUTE, to: 20 * MINUTE },
  clockCheckMs: 5000,
  /** A connection that held this long ends the row of failures. */
  stableMs: MINUTE,
  freshTokens: 2,
} as const;

const fresh = {
  askDps: 'no',
  attempt: 0,
  refusals: 0,
  keyLosses: 0,
  unreachableSince: undefined,
  lastFallbackAt: undefined,
  connectedAt: undefined,
} as const;

export const INITIAL: Machine = {
  name: 'unconfigured',
  context: { ...fresh, enabled: false, assigned: false },
};

function spread(range: { from: number; to: number }, random: number): number {
  return Math.floor(range.from + random * (range.to - range.from));
}

function wait(name: 'backingOff' | 'failed' | 'waitingForTime', context: Context, ms: number): Step {
  return { machine: { name, context }, effects: [{ type: 'wait', ms }] };
}

function idle(context: Context): Step {
  return { machine: { name: 'unconfigured', context }, effects: [{ type: 'drop' }] };
}

/** The next attempt, now: DPS or hub, or waiting for a clock that can sign tokens. */
function proceed(context: Context, world: World, checkTime = false): Step {
  if (!context.enabled) return idle(context);
  if (!world.timePlausible) return wait('waitingForTime', context, TIMES.clockCheckMs);
  if (context.assigned && context.askDps === 'no') {
    return { machine: { name: 'connecting', context }, effects: [{ type: 'connect', checkTime }] };
  }
  return { machine: { name: 'registering', context }, effects: [{ type: 'register' }] };
}

function backOff(context: Context, world: World, toDps: boolean, atLeastMs = 0): Step {
  const jitter = fullJitter(context.attempt, toDps ? TIMES.dpsBackoff : TIMES.hubBackoff, () => world.random);
  const next = { ...context, attempt: context.attempt + 1, connectedAt: undefined };
  // Gateways that were all told to wait equally long must not come back all at once.
  return wait('backingOff', next, atLeastMs + Math.max(jitter, Math.floor(world.random * atLeastMs)));
}

/** True when enough time has passed since the last registration that the hub's behaviour led to. */
function mayFallBack(context: Context, world: World): boolean {
  return context.lastFallbackAt === undefined || world.nowMs - context.lastFallbackAt >= TIMES.fallbackMs;
}

function fallBack(context: Context, world: World): Step {
  return proceed(
    { ...context, askDps: 'fallback', lastFallbackAt: world.nowMs, refusals: 0, unreachableSince: undefined },
    world,
  );
}

function configured(machine: Machine, input: Input & { type: 'configured' }, world: World): Step {
  const { enabled, assigned } = input;
  const boot = input.boot && machine.name === 'unconfigured';
  const askDps = boot && assigned && world.policy === 'alwaysOnStartup' ? 'wish' : 'no';
  const context: Context = { ...fresh, enabled, assigned, askDps };
  if (!enabled) return idle(context);
  if (boot && (!assigned || askDps === 'wish')) {
    return wait('backingOff', context, Math.floor(world.random * TIMES.bootSpreadMs));
  }
  if (machine.name === 'unconfigured') return proceed(context, world);
  const next = proceed(context, world);
  return { machine: next.machine, effects: [{ type: 'drop' }, ...next.effects] };
}

function registrationFailed(
  context: Context,
  input: Input & { type: 'registrationFailed' },
  world: World,
): Step {
  const { retryable, retryAfterMs = 0 } = input;
  if (!context.assigned) {
    if (retryable) return backOff(context, world, true, retryAfterMs);
    return wait('failed', context, spread(TIMES.failedMs, world.random));
  }
  // With an assignment in hand the hub is the better next try.
  const next: Context = { ...context, askDps: 'no' };
  if (context.askDps === 'wish') return proceed(next, world);
  if (!retryable) return wait('failed', next, spread(TIMES.failedMs, world.random));
  return backOff({ ...next, lastFallbackAt: world.nowMs + retryAfterMs }, world, true);
}

function keyLost(context: Context, world: World): Step {
  const next: Context = { ...context, assigned: false, keyLosses: context.keyLosses + 1 };
  // Once is TPM2_Clear; a TPM that loads no key at all must not send the gateway to DPS over and over.
  if (next.keyLosses === 1) return proceed(next, world);
  return backOff({ ...next, attempt: Math.max(next.attempt, next.keyLosses) }, world, true);
}

function refused(context: Context, world: World): Step {
  const next = { ...context, refusals: context.refusals + 1, unreachableSince: undefined };
  const tokensTried = next.refusals > TIMES.freshTokens;
  if (tokensTried && world.policy !== 'onErrorOnly' && mayFallBack(next, world)) return fallBack(next, world);
  return backOff(next, world, false);
}

function unreachable(context: Context, world: World): Step {
  const since = context.unreachableSince ?? world.nowMs;
  const next = { ...context, unreachableSince: since };
  if (world.nowMs - since >= TIMES.fallbackMs && mayFallBack(next, world)) return fallBack(next, world);
  return backOff(next, world, false);
}

function dropped(context: Context, world: World): Step {
  const held = world.nowMs - (context.connectedAt ?? world.nowMs);
  const attempt = held >= TIMES.stableMs ? 0 : context.attempt;
  return backOff({ ...context, attempt }, world, false);
}

const stay = (machine: Machine): Step => ({ machine, effects: [] });

const OPERATION_END: ReadonlySet<InputType> = new Set<InputType>([
  'registered',
  'registrationFailed',
  'keyLost',
  'tpmFailed',
  'connected',
  'refused',
  'unreachable',
  'dropped',
]);

/** Which ends of an operation a state waits for; another one is an echo of an operation that was called off. */
const AWAITED: Readonly<Record<LifecycleState, readonly InputType[]>> = {
  unconfigured: [],
  waitingForTime: [],
  registering: ['registered', 'registrationFailed'],
  connecting: ['connected', 'refused', 'unreachable', 'keyLost', 'tpmFailed'],
  connected: ['dropped'],
  backingOff: [],
  failed: [],
};

/**
 * One step of the connection's life: state × input → state and effects, without any I/O.
 * The table of every pair is in docs/reference/lifecycle.md.
 */
export function step(machine: Machine, input: Input, world: World): Step {
  const { name, context } = machine;
  if (OPERATION_END.has(input.type) && !AWAITED[name].includes(input.type)) return stay(machine);
  switch (input.type) {
    case 'configured':
      return configured(machine, input, world);
    case 'registered':
      return proceed(
        {
          ...context,
          assigned: true,
          askDps: 'no',
          attempt: 0,
          refusals: 0,
          unreachableSince: undefined,
        },
        world,
      );
    case 'registrationFailed':
      return registrationFailed(context, input, world);
    case 'keyLost':
      return keyLost(context, world);
    case 'tpmFailed':
      return backOff(context, world, false);
    case 'connected': {
      const next: Context = {
        ...context,
        refusals: 0,
        keyLosses: 0,
        unreachableSince: undefined,
        connectedAt: world.nowMs,
      };
      return { machine: { name: 'connected', context: next }, effects: [] };
    }
    case 'refused':
      return refused(context, world);
    case 'unreachable':
      return unreachable(context, world);
    case 'dropped':
      return dropped(context, world);
    case 'timer':
      if (name !== 'backingOff' && name !== 'failed' && name !== 'waitingForTime') return stay(machine);
      return proceed(context, world, context.refusals > 0);
    case 'retry':
      if (name !== 'backingOff' && name !== 'failed' && name !== 'waitingForTime') return stay(machine);
      return proceed({ ...context, attempt: 0 }, world, true);
    case 'reprovision': {
      if (name === 'unconfigured' || name === 'registering') return stay(machine);
      const next = proceed({ ...context, askDps: 'wish', attempt: 0 }, world);
      return { machine: next.machine, effects: [{ type: 'drop' }, ...next.effects] };
    }
  }
}
