import { DrivenClock } from '../../support/driven-clock';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { held } from '../../support/held';
import { LifecycleRig, enroll } from '../../support/lifecycle-rig';
import { NodeTpm } from '../../support/node-tpm';

const DAY_MS = 86_400_000;
const WARM_UP_DAYS = 5;
const DAYS = 25;
const MESSAGES_A_DAY = 48;

let emulator: TestEmulator;
let rig: LifecycleRig;
const clock = new DrivenClock(Date.now());

beforeAll(async () => {
  emulator = await startEmulator();
  const tpm = new NodeTpm();
  rig = await LifecycleRig.open(emulator, tpm, {
    registrationId: 'month',
    clock,
    health: async () => Promise.resolve({ alive: true }),
    settings: { reprovision: 'dynamic', telemetryPeriodSec: DAY_MS / 1000 / MESSAGES_A_DAY },
  });
  await enroll(emulator, tpm, 'month');
  await rig.lifecycle.start();
  await rig.configure();
  while (rig.lifecycle.status().state !== 'connected') await clock.pass(10);
});
afterAll(async () => {
  await rig.end();
  await emulator.end();
});

async function live(days: number): Promise<void> {
  for (let day = 0; day < days; day += 1) {
    await clock.pass(DAY_MS);
    for (const list of [rig.log, rig.states, rig.errors, emulator.log]) list.length = 0;
  }
}

test('a month of renewals and messages: nothing that a day leaves behind stays', async () => {
  await live(WARM_UP_DAYS);
  const [before, renewed, sent] = [
    held(),
    rig.lifecycle.status().counters.tokens,
    rig.counts()['telemetry']!,
  ];
  const timers = clock.timers;
  await live(DAYS);
  const after = held();
  const renewals = rig.lifecycle.status().counters.tokens - renewed;
  process.stdout.write(`${DAYS} days, ${renewals} renewals: ${JSON.stringify({ before, after })}\n`);
  // A token lives for an hour and is renewed 10 to 15 minutes before its end.
  expect(renewals).toBeGreaterThanOrEqual((DAYS * 24 * 60) / 51);
  expect(renewals).toBeLessThanOrEqual((DAYS * 24 * 60) / 44);
  expect(rig.counts()['telemetry']! - sent).toBe(DAYS * MESSAGES_A_DAY);
  expect(rig.counts()['dpsRegisters']).toBe(1);
  expect(clock.timers).toBeLessThanOrEqual(timers + 2);
  expect(after.timers).toBeLessThanOrEqual(before.timers + 4);
  expect(after.sockets).toBeLessThanOrEqual(before.sockets + 2);
  // One object forgotten at each renewal or message would be as many as there were.
  expect(after.objects - before.objects).toBeLessThan(renewals / 4);
  expect(after.heap - before.heap).toBeLessThan(3_000_000);
}, 300_000);
