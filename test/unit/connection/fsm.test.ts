import {
  INITIAL,
  type Input,
  type Machine,
  type Step,
  type World,
  TIMES,
  step,
} from '../../../src/agent/connection/fsm';

const world: World = { nowMs: 1_000_000_000, random: 0.5, timePlausible: true, policy: 'dynamic' };

/** Feeds inputs one after another; `at` moves the clock. */
function feed(machine: Machine, inputs: (Input | { at: number })[], overrides: Partial<World> = {}) {
  let now = world.nowMs;
  let last: Step = { machine, effects: [] };
  for (const input of inputs) {
    if ('at' in input) now = world.nowMs + input.at;
    else last = step(last.machine, input, { ...world, ...overrides, nowMs: now });
  }
  return { name: last.machine.name, context: last.machine.context, effects: last.effects };
}

const boot = (assigned: boolean): Input => ({ type: 'configured', enabled: true, assigned, boot: true });
const on = (assigned: boolean): Input => ({ type: 'configured', enabled: true, assigned, boot: false });
const timer: Input = { type: 'timer' };
const refused: Input = { type: 'refused' };
const unreachable: Input = { type: 'unreachable' };
const connected: Input = { type: 'connected' };
const failed = (retryable: boolean, retryAfterMs?: number): Input => ({
  type: 'registrationFailed',
  retryable,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
const connecting = feed(INITIAL, [boot(true)]);
const asMachine = ({ name, context }: ReturnType<typeof feed>): Machine => ({ name, context });

test('a boot with an assignment goes straight to the hub', () => {
  expect(connecting).toMatchObject({ name: 'connecting', effects: [{ type: 'connect', checkTime: false }] });
});

test('a boot without an assignment waits a random time, so that a plant does not ask DPS in one second', () => {
  expect(feed(INITIAL, [boot(false)], { random: 0.25 })).toMatchObject({
    name: 'backingOff',
    effects: [{ type: 'wait', ms: TIMES.bootSpreadMs / 4 }],
  });
  expect(feed(INITIAL, [boot(false), timer]).effects).toEqual([{ type: 'register' }]);
});

test('settings written while running are tried at once', () => {
  expect(feed(INITIAL, [on(false)]).effects).toEqual([{ type: 'register' }]);
});

test('policy alwaysOnStartup asks DPS first and keeps the hub when DPS does not answer', () => {
  const policy = { policy: 'alwaysOnStartup' } as const;
  expect(feed(INITIAL, [boot(true), timer], policy).effects).toEqual([{ type: 'register' }]);
  expect(feed(INITIAL, [boot(true), timer, failed(true)], policy).name).toBe('connecting');
  expect(feed(INITIAL, [boot(true), timer, failed(false)], policy).name).toBe('connecting');
});

test('a refusal leads to the time and two fresh tokens, then to one registration', () => {
  const one = feed(asMachine(connecting), [refused]);
  expect(one.name).toBe('backingOff');
  const fresh = feed(asMachine(one), [timer]);
  expect(fresh.effects).toEqual([{ type: 'connect', checkTime: true }]);
  expect(feed(asMachine(fresh), [refused]).name).toBe('backingOff');
  expect(feed(asMachine(fresh), [refused, timer, refused]).effects).toEqual([{ type: 'register' }]);
});

test('refusals lead to DPS at most once in 30 minutes', () => {
  const again: Input[] = [refused, timer, refused, timer, refused];
  const registered: Input = { type: 'registered' };
  const first = feed(asMachine(connecting), [...again, registered, ...again]);
  expect(first.name).toBe('backingOff');
  expect(feed(asMachine(first), [timer, refused]).name).toBe('backingOff');
  expect(feed(asMachine(first), [{ at: TIMES.fallbackMs }, timer, refused]).effects).toEqual([
    { type: 'register' },
  ]);
});

test('policy onErrorOnly never asks DPS because of a refusal', () => {
  const many = Array.from({ length: 30 }, (): (Input | { at: number })[] => [refused, timer]).flat();
  const end = feed(asMachine(connecting), [...many, { at: 3 * TIMES.fallbackMs }, refused], {
    policy: 'onErrorOnly',
  });
  expect(end.name).toBe('backingOff');
});

test('an unreachable hub is tried for 30 minutes before DPS is asked', () => {
  const soon = feed(asMachine(connecting), [unreachable, { at: TIMES.fallbackMs - 1 }, timer, unreachable]);
  expect(soon.name).toBe('backingOff');
  const later = feed(asMachine(soon), [{ at: TIMES.fallbackMs }, timer, unreachable]);
  expect(later.effects).toEqual([{ type: 'register' }]);
  expect(feed(asMachine(later), [{ at: TIMES.fallbackMs }, failed(true)]).name).toBe('backingOff');
  expect(feed(asMachine(later), [{ at: TIMES.fallbackMs }, failed(true), timer]).effects).toMatchObject([
    { type: 'connect' },
  ]);
});

test('a network that comes and goes between refusals does not make them forgotten', () => {
  const end = feed(asMachine(connecting), [refused, timer, unreachable, timer, refused, timer, refused]);
  expect(end.name).toBe('registering');
});

test('Retry-After of DPS is waited out in full, plus jitter of up to the same length', () => {
  const registering = feed(INITIAL, [on(false)]);
  const waits = [0, 0.5, 0.999].map((random) => {
    const [effect] = feed(asMachine(registering), [failed(true, 60_000)], { random }).effects;
    return effect?.type === 'wait' ? effect.ms : undefined;
  });
  expect(waits[0]).toBe(60_000);
  expect(waits[1]).toBe(90_000);
  expect(waits[2]).toBeLessThan(120_000);
});

test('a final refusal of DPS is looked at again after ten to twenty minutes', () => {
  const registering = feed(INITIAL, [on(false)]);
  const end = feed(asMachine(registering), [failed(false)]);
  expect(end).toMatchObject({ name: 'failed', effects: [{ type: 'wait', ms: 15 * 60_000 }] });
  expect(feed(asMachine(end), [timer]).effects).toEqual([{ type: 'register' }]);
});

test('a key that the TPM does not load leads to DPS at once, and with back-off when it happens again', () => {
  const first = feed(asMachine(connecting), [{ type: 'keyLost' }], { policy: 'onErrorOnly' });
  expect(first.effects).toEqual([{ type: 'register' }]);
  const second = feed(asMachine(first), [{ type: 'registered' }, { type: 'keyLost' }]);
  expect(second.name).toBe('backingOff');
  expect(feed(asMachine(second), [timer]).effects).toEqual([{ type: 'register' }]);
});

test('a TPM that fails otherwise never costs the registration', () => {
  const end = feed(asMachine(connecting), [{ type: 'tpmFailed' }, timer]);
  expect(end.effects).toMatchObject([{ type: 'connect' }]);
});

test('a connection that held a minute starts the back-off anew, a shorter one does not', () => {
  const tired = feed(asMachine(connecting), [
    unreachable,
    timer,
    unreachable,
    timer,
    unreachable,
    timer,
    connected,
  ]);
  expect(feed(asMachine(tired), [{ at: 1000 }, { type: 'dropped' }]).context.attempt).toBe(4);
  expect(feed(asMachine(tired), [{ at: TIMES.stableMs }, { type: 'dropped' }]).context.attempt).toBe(1);
});

test('a clock before the build date waits, whatever is asked', () => {
  const wrong = { timePlausible: false };
  const waiting = feed(INITIAL, [boot(true)], wrong);
  expect(waiting).toMatchObject({
    name: 'waitingForTime',
    effects: [{ type: 'wait', ms: TIMES.clockCheckMs }],
  });
  expect(feed(asMachine(waiting), [timer], wrong).name).toBe('waitingForTime');
  expect(feed(asMachine(waiting), [{ type: 'retry' }], wrong).name).toBe('waitingForTime');
  expect(feed(asMachine(waiting), [timer]).name).toBe('connecting');
});

test('a clock that goes wrong while connected ends nothing', () => {
  expect(feed(asMachine(connecting), [connected, timer], { timePlausible: false }).name).toBe('connected');
});

test('reprovision while connected asks DPS, and keeps the hub when DPS refuses', () => {
  const asked = feed(asMachine(connecting), [connected, { type: 'reprovision' }]);
  expect(asked.effects).toEqual([{ type: 'drop' }, { type: 'register' }]);
  expect(feed(asMachine(asked), [failed(false)]).name).toBe('connecting');
});

test('switched off in every state: everything under way is dropped', () => {
  const off: Input = { type: 'configured', enabled: false, assigned: true, boot: false };
  for (const machine of [INITIAL, asMachine(connecting), asMachine(feed(INITIAL, [on(false)]))]) {
    expect(step(machine, off, world)).toMatchObject({
      machine: { name: 'unconfigured' },
      effects: [{ type: 'drop' }],
    });
  }
});

test('the echo of an operation that was called off changes nothing', () => {
  for (const input of [{ type: 'registered' }, refused, unreachable, { type: 'dropped' }] as Input[]) {
    expect(step(INITIAL, input, world)).toEqual({ machine: INITIAL, effects: [] });
  }
});
