import { type TestEmulator, startEmulator } from '../../support/emulator';
import { busiestMinute, drawStorm, runStorm } from '../../support/storm';
import { enrollAll } from '../../support/storm-enroll';

let emulator: TestEmulator;

beforeAll(async () => {
  emulator = await startEmulator({ settings: { registrationsPerMinute: 1000 } });
});
afterAll(async () => emulator.end());

test('300 gateways without an assignment after a power cut: all registered, under the limit, none throttled', async () => {
  const ids = await enrollAll(emulator.ready, emulator.ca, 300);
  const storm = await runStorm(
    { host: 'localhost', port: emulator.dpsPort, ca: emulator.ca, idScope: emulator.ready.idScope },
    ids,
  );
  expect(storm.assigned).toHaveLength(300);
  expect(storm.throttled).toEqual([]);
  expect(busiestMinute(storm.registrations)).toBeLessThanOrEqual(1000);
  expect(drawStorm(storm.registrations, 1000)).toMatch(/^<svg .*<\/svg>\n$/);
}, 180_000);
