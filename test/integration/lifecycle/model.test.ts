import fc from 'fast-check';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { admin } from '../../support/lifecycle-rig';
import { DPS_WEATHER, HUB_WEATHER, ModelWorld } from '../../support/lifecycle-model';

const RUNS = Number(process.env['TPE_MODEL_RUNS'] ?? 6);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let emulator: TestEmulator;
let lastId = 0;

beforeAll(async () => {
  emulator = await startEmulator({ hubs: 2, settings: { registrationsPerMinute: 0 } });
});
afterAll(async () => emulator.end());

/** What a state that does not change by itself must look like, whatever led to it. */
async function check(world: ModelWorld): Promise<void> {
  await world.settle();
  const { state, nextRetry, lastError, assignedHub, deviceId } = world.rig.lifecycle.status();
  const waits = state === 'backingOff' || state === 'failed' || state === 'waitingForTime';
  expect(world.faults).toEqual([]);
  expect(state === 'unconfigured').toBe(!world.enabled);
  expect(nextRetry !== undefined).toBe(waits);
  if (waits) {
    expect(Date.parse(nextRetry!) - world.clock.now()).toBeLessThanOrEqual(40 * MINUTE);
  }
  if (state === 'failed' || state === 'waitingForTime') expect(lastError?.advice).toMatch(/\.$/);
  expect(world.connectedHubs).toEqual(state === 'connected' ? [assignedHub] : []);
  if (assignedHub !== undefined) expect([...emulator.hubs.keys()]).toContain(assignedHub);
  if (assignedHub !== undefined) expect(deviceId).toBe(world.id);
  // What waits, and the token, health and twin of a connection; nothing is left of what was called off.
  expect(world.clock.timers).toBeLessThanOrEqual(4);
}

/** Its result is waited for; there may be none. */
type Run = (world: ModelWorld) => unknown;

/** A step of the walk; it can be taken in every state. */
class Step implements fc.AsyncCommand<object, ModelWorld> {
  constructor(
    readonly name: string,
    readonly act: Run,
  ) {}
  check = (): boolean => true;
  async run(_model: object, world: ModelWorld): Promise<void> {
    await this.act(world);
    await check(world);
  }
  toString = (): string => this.name;
}

const weather = <K extends string>(what: 'dps' | 'hub', kinds: Record<K, unknown>): fc.Arbitrary<Step> =>
  fc.constantFrom(...(Object.keys(kinds) as K[])).map(
    (kind) =>
      new Step(`${what} ${kind}`, (world) => {
        Object.assign(world, { [what]: kind });
        world.setWeather();
      }),
  );

const plain: readonly [string, Run][] = [
  ['lost', async (world) => world.lose()],
  ['retry', (world) => world.rig.lifecycle.retry()],
  ['reprovision', (world) => world.rig.lifecycle.reprovision()],
  ['restart', async (world) => world.restart()],
  ['off', async (world) => world.setEnabled(false)],
  ['on', async (world) => world.setEnabled(true)],
  ['enrollment deleted', async (world) => world.setEnrolled(false)],
  ['enrollment made', async (world) => world.setEnrolled(true)],
  ['device disabled', async (world) => world.setDeviceEnabled(false)],
  ['device enabled', async (world) => world.setDeviceEnabled(true)],
  ['TPM2_Clear', (world) => world.tpm.clear()],
  ['clock an hour ahead', (world) => world.jump(HOUR)],
  ['clock an hour back', (world) => world.jump(-HOUR)],
  ['clock at 1970', (world) => world.jump(-world.clock.now())],
  ['clock right', (world) => world.setClockRight()],
  [
    'moved',
    async (world) => {
      const { assignedHub } = world.rig.lifecycle.status();
      const hub = [...emulator.hubs.keys()].find((name) => name !== assignedHub);
      // Where there is no identity there is nothing to move.
      await admin(emulator, 'POST', `/devices/${world.id}/move`, { hub }).catch(() => undefined);
    },
  ],
  [
    'new key',
    async (world) => admin(emulator, 'POST', `/devices/${world.id}/new-key`).catch(() => undefined),
  ],
];

const steps = [
  weather('dps', DPS_WEATHER),
  weather('hub', HUB_WEATHER),
  fc
    .integer({ min: 1, max: 40 })
    .map((minutes) => new Step(`${minutes} min`, async (world) => world.pass(minutes))),
  fc.constantFrom(...plain).map(([name, act]) => new Step(name, act)),
  fc.constantFrom(...plain).map(([name, act]) => new Step(name, act)),
];

test('the real effects walk wherever the cloud drives them, and are connected within 75 minutes of all being well', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(steps, { maxCommands: 14, size: 'max' }),
      fc.constantFrom('dynamic', 'alwaysOnStartup', 'onErrorOnly' as const),
      async (walk, policy) => {
        lastId += 1;
        const world = await ModelWorld.open(emulator, `model-${lastId}`, policy);
        try {
          await fc.asyncModelRun(() => ({ model: {}, real: world }), walk);
          await world.putRight();
          // Only a registration helps against some of it, and that is an operator's decision under onErrorOnly.
          if (policy === 'onErrorOnly') world.rig.lifecycle.reprovision();
          await world.settle();
          await world.pass(75, () => world.state === 'connected');
          await check(world);
          expect(world.state).toBe('connected');
          const { assignment } = world.rig.store.current();
          expect(world.connectedHubs).toEqual([assignment?.hub]);
        } finally {
          await world.end();
        }
      },
    ),
    { numRuns: RUNS, endOnFailure: true },
  );
}, 600_000);

test('a hub that is down for an hour: tried all the time, DPS asked once or twice, back within minutes, tokens good', async () => {
  const world = await ModelWorld.open(emulator, 'hour', 'dynamic');
  try {
    await world.pass(1, () => world.state === 'connected');
    expect(world.state).toBe('connected');
    emulator.counters.reset();
    world.hub = 'drops';
    world.setWeather();
    await world.lose();
    await world.pass(60);
    expect(world.rig.counts()['hubConnects']).toBeGreaterThan(10);
    expect(world.rig.counts()['dpsRegisters']).toBeGreaterThanOrEqual(1);
    expect(world.rig.counts()['dpsRegisters']).toBeLessThanOrEqual(2);
    world.hub = 'fine';
    world.setWeather();
    await world.pass(11, () => world.state === 'connected');
    expect(world.state).toBe('connected');
  } finally {
    await world.end();
  }
});

test('a day of renewals: the connection never ends, whichever way the clock jumps meanwhile, and DPS is not asked', async () => {
  const world = await ModelWorld.open(emulator, 'day', 'dynamic');
  try {
    await world.pass(1, () => world.state === 'connected');
    emulator.counters.reset();
    for (const jump of [HOUR, -HOUR, -HOUR, HOUR, -world.clock.now()]) {
      world.jump(jump);
      await world.pass(3 * 60);
      expect(world.state).toBe('connected');
    }
    expect(world.rig.lifecycle.status().counters.connects).toBe(1);
    expect(world.rig.counts()).toMatchObject({ dpsChallenges: 0, hubRefusals: 0 });
    expect(world.rig.counts()['hubSessions']).toBeGreaterThan(15);
  } finally {
    await world.end();
  }
});
