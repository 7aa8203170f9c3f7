import { RateLimit } from '../../../src/emulator/dps/rate-limit';
import { FakeClock } from '../../support/fake-clock';
import { SimulatedGateway, pass } from '../../support/simulated-cloud';

/** Registrations that DPS lets through in a minute; each costs two requests of the device. */
const PER_MINUTE = 1000;

function plant(clock: FakeClock, size: number, assigned: boolean, perMinute: number) {
  const limit = new RateLimit();
  const asked: { at: number; passed: boolean }[] = [];
  const gateways = Array.from({ length: size }, () => {
    const gateway = new SimulatedGateway(clock, Math.random, assigned);
    gateway.throttle = () => {
      const waitSec = limit.take(clock.now(), perMinute);
      asked.push({ at: clock.monotonic(), passed: waitSec === 0 });
      return waitSec * 1000;
    };
    return gateway;
  });
  return { gateways, asked };
}

const connected = (gateways: SimulatedGateway[]): number =>
  gateways.filter(({ runner }) => runner.machine.name === 'connected').length;

test('300 gateways after a power cut, each with its assignment: no registration at all', async () => {
  const clock = new FakeClock();
  const { gateways, asked } = plant(clock, 300, true, PER_MINUTE);
  for (const gateway of gateways) gateway.configure(true, true);
  await pass(clock, 60_000);
  expect(connected(gateways)).toBe(300);
  expect(asked).toHaveLength(0);
});

test('300 gateways that all have to register stay under the limit of DPS and are spread over the first seconds', async () => {
  const clock = new FakeClock();
  const start = clock.monotonic();
  const { gateways, asked } = plant(clock, 300, false, PER_MINUTE);
  for (const gateway of gateways) gateway.configure(true, true);
  await pass(clock, 60_000);
  expect(connected(gateways)).toBe(300);
  expect(asked).toHaveLength(300);
  expect(asked.every(({ passed }) => passed)).toBe(true);
  const busiest = Math.max(
    ...Array.from(
      { length: 12 },
      (_, s) => asked.filter(({ at }) => Math.floor((at - start) / 1000) === s).length,
    ),
  );
  expect(busiest).toBeLessThan(75);
});

test('3,000 gateways against the same limit: throttled ones obey Retry-After and all are connected soon', async () => {
  const clock = new FakeClock();
  const { gateways, asked } = plant(clock, 3000, false, PER_MINUTE);
  for (const gateway of gateways) gateway.configure(true, true);
  await pass(clock, 10 * 60_000, 1000);
  expect(connected(gateways)).toBe(3000);
  expect(asked.length).toBeLessThan(4 * 3000);
}, 60_000);
