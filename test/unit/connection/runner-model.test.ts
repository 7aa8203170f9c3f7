import fc from 'fast-check';
import { TIMES } from '../../../src/agent/connection/fsm';
import { FakeClock } from '../../support/fake-clock';
import { FINE, SimulatedGateway, type Weather, pass, settle } from '../../support/simulated-cloud';

const MINUTE = 60_000;

type Happening =
  | { what: 'weather'; weather: Weather }
  | { what: 'time'; minutes: number }
  | { what: 'lose' | 'retry' | 'reprovision' | 'off' | 'on' | 'forget' }
  | { what: 'clock'; plausible: boolean };

const weather: fc.Arbitrary<Weather> = fc.record({
  dps: fc.constantFrom('assigns', 'retryable', 'refuses', 'throttles', 'hangs'),
  hub: fc.constantFrom('takes', 'refuses', 'unreachable', 'hangs'),
  tpm: fc.constantFrom('fine', 'fine', 'fine', 'fails', 'cleared'),
});

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ what: fc.constant('weather' as const), weather }),
  fc.record({ what: fc.constant('time' as const), minutes: fc.integer({ min: 0, max: 45 }) }),
  fc.record({ what: fc.constantFrom('lose', 'retry', 'reprovision', 'off', 'on', 'forget' as const) }),
  fc.record({ what: fc.constant('clock' as const), plausible: fc.boolean() }),
);

/** What must hold whenever nothing is being carried out. */
function check(gateway: SimulatedGateway, clock: FakeClock): void {
  const { name, context } = gateway.runner.machine;
  expect(gateway.faults).toEqual([]);
  const operating = name === 'registering' || name === 'connecting';
  const waiting = name === 'backingOff' || name === 'failed' || name === 'waitingForTime';
  expect(gateway.running).toBe(operating ? 1 : 0);
  expect(gateway.connected).toBe(name === 'connected');
  expect(gateway.runner.nextRetryAt !== undefined).toBe(waiting);
  if (waiting) expect(gateway.runner.nextRetryAt! - clock.now()).toBeLessThanOrEqual(40 * MINUTE);
  expect(context.enabled).toBe(name !== 'unconfigured');
  // One timer: the operation's own, or the one that waits.
  expect(clock.timers).toBe(operating || waiting ? 1 : 0);
}

async function happen(gateway: SimulatedGateway, clock: FakeClock, event: Happening): Promise<void> {
  switch (event.what) {
    case 'weather':
      gateway.weather = event.weather;
      break;
    case 'time':
      await pass(clock, event.minutes * MINUTE, 20_000);
      break;
    case 'lose':
      gateway.lose();
      break;
    case 'retry':
    case 'reprovision':
      gateway.runner.take({ type: event.what });
      break;
    case 'off':
    case 'on':
      gateway.configure(event.what === 'on');
      break;
    case 'forget':
      gateway.assigned = false;
      gateway.configure(true);
      break;
    case 'clock':
      gateway.timePlausible = event.plausible;
      break;
  }
  await settle();
}

test('whatever happens, the gateway is never stuck, never does two things at once, and connects when all is fine', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(happening, { maxLength: 40 }),
      fc.constantFrom('dynamic', 'alwaysOnStartup', 'onErrorOnly' as const),
      fc.boolean(),
      fc.integer({ min: 0, max: 2 ** 30 }),
      async (events, policy, assigned, seed) => {
        const clock = new FakeClock();
        let state = seed;
        const random = (): number => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
        const gateway = new SimulatedGateway(clock, random, assigned);
        gateway.policy = policy;
        gateway.configure(true, true);
        await settle();
        for (const event of events) {
          await happen(gateway, clock, event);
          check(gateway, clock);
        }
        gateway.weather = { ...FINE };
        gateway.timePlausible = true;
        gateway.configure(true);
        await settle();
        await pass(clock, 25 * MINUTE, 5000);
        check(gateway, clock);
        expect(gateway.runner.machine.name).toBe('connected');
        gateway.runner.stop();
        await settle();
        expect(clock.timers).toBe(0);
      },
    ),
    { numRuns: 150 },
  );
}, 120_000);

test('a hub that refuses for a week costs at most one registration in 30 minutes', async () => {
  const clock = new FakeClock();
  const gateway = new SimulatedGateway(clock, Math.random, true);
  gateway.weather = { ...FINE, hub: 'refuses' };
  gateway.configure(true, true);
  await pass(clock, 7 * 24 * 60 * MINUTE, 30_000);
  const gaps = gateway.registrationsAt.slice(1).map((at, i) => at - gateway.registrationsAt[i]!);
  expect(gateway.registrationsAt.length).toBeGreaterThan(100);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(TIMES.fallbackMs);
  gateway.runner.stop();
});

test('a hub that is down for an hour is tried all the time, DPS once or twice, and it is back within minutes', async () => {
  const clock = new FakeClock();
  const gateway = new SimulatedGateway(clock, Math.random, true);
  gateway.weather = { ...FINE, hub: 'unreachable' };
  gateway.configure(true, true);
  await pass(clock, 60 * MINUTE);
  expect(gateway.registrationsAt.length).toBeGreaterThanOrEqual(1);
  expect(gateway.registrationsAt.length).toBeLessThanOrEqual(2);
  expect(gateway.connectsAt.length).toBeGreaterThan(10);
  gateway.weather = { ...FINE };
  await pass(clock, 11 * MINUTE);
  expect(gateway.runner.machine.name).toBe('connected');
  gateway.runner.stop();
});

test('10,000 lost connections leave one gateway with as many timers as the first', async () => {
  const clock = new FakeClock();
  const gateway = new SimulatedGateway(clock, Math.random, true);
  gateway.configure(true, true);
  await pass(clock, 1000);
  for (let i = 0; i < 10_000; i += 1) {
    clock.advance(TIMES.stableMs);
    gateway.lose();
    await settle();
    clock.advance(TIMES.hubBackoff.baseMs);
    await settle();
    clock.advance(1000);
    await settle();
  }
  expect(gateway.connectsAt).toHaveLength(10_001);
  expect(gateway.runner.machine.name).toBe('connected');
  expect(gateway.registrationsAt).toHaveLength(0);
  expect(clock.timers).toBe(0);
});
