import { type TestEmulator, startEmulator } from '../../support/emulator';
import { held } from '../../support/held';
import { LifecycleRig, enroll } from '../../support/lifecycle-rig';
import { NodeTpm } from '../../support/node-tpm';
import { waitFor } from '../../support/wait';

/** .ci/run makes 10,000 of it. */
const ROUNDS = Number(process.env['TPE_RECONNECTS'] ?? 1000);

let emulator: TestEmulator;
let rig: LifecycleRig;

beforeAll(async () => {
  emulator = await startEmulator();
  const tpm = new NodeTpm();
  rig = await LifecycleRig.open(emulator, tpm, { registrationId: 'again' });
  await enroll(emulator, tpm, 'again');
  await rig.lifecycle.start();
  await rig.configure();
  await rig.until('connected');
});
afterAll(async () => {
  await rig.end();
  await emulator.end();
});

async function reconnect(times: number): Promise<void> {
  const hub = emulator.hubs.get(emulator.ready.hubHostName)!;
  for (let i = 0; i < times; i += 1) {
    const { connects } = rig.lifecycle.status().counters;
    hub.link('again')!.close('lost');
    while (
      rig.lifecycle.status().counters.connects === connects ||
      rig.lifecycle.status().state !== 'connected' ||
      hub.link('again') === undefined
    ) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const list of [rig.log, rig.states, rig.errors, emulator.log]) list.length = 0;
  }
}

test('thousands of lost connections: neither memory nor handles nor timers grow', async () => {
  await reconnect(100);
  const before = held();
  await reconnect(ROUNDS);
  await waitFor('sockets to be gone', () => held().descriptors <= before.descriptors + 2, 10_000);
  const after = held();
  process.stdout.write(`${ROUNDS} reconnects: ${JSON.stringify({ before, after })}\n`);
  expect(after.timers).toBeLessThanOrEqual(before.timers + 4);
  expect(after.sockets).toBeLessThanOrEqual(before.sockets + 2);
  // One forgotten listener, timer or token for each would be as many as there were rounds.
  expect(after.objects - before.objects).toBeLessThan(ROUNDS / 4);
  expect(after.heap - before.heap).toBeLessThan(2_000_000 + ROUNDS * 100);
  expect(rig.counts()['dpsRegisters']).toBe(1);
}, 900_000);
