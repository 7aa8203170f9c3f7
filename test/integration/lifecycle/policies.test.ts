import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { admin, enroll } from '../../support/lifecycle-rig';
import { waitFor } from '../../support/wait';
import { lifecycleWorld } from './world';

const world = lifecycleWorld({ hubs: 2 });

const settings = (reprovision: 'dynamic' | 'alwaysOnStartup' | 'onErrorOnly') => ({
  reprovision,
  trustedCaFile: world.emulator.ready.ca,
  hubGateway: world.emulator.ready.hub,
});

test('alwaysOnStartup asks DPS at every start', async () => {
  const rig = await world.connected({ settings: settings('alwaysOnStartup') });
  world.emulator.counters.reset();
  const again = await world.restarted(rig);
  await again.until('connected');
  expect(again.counts()).toMatchObject({ dpsRegisters: 1, hubConnects: 1 });
});

test('alwaysOnStartup with DPS down connects to the hub it knows', async () => {
  const rig = await world.connected({ settings: settings('alwaysOnStartup') });
  await admin(world.emulator, 'PATCH', '/settings', { dpsListening: false });
  try {
    const again = await world.restarted(rig);
    await again.until('connected');
    expect(again.log.join('')).toContain('HTTP_UNREACHABLE');
  } finally {
    await admin(world.emulator, 'PATCH', '/settings', { dpsListening: true });
  }
});

test('onErrorOnly: refusals of the hub never lead to DPS', async () => {
  const rig = await world.connected({ settings: settings('onErrorOnly') });
  world.emulator.counters.reset();
  world.emulator.faults.add({ point: 'hub-connect', action: { type: 'connack', code: 5 }, times: 8 });
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/disconnect`);
  await waitFor('the connection after eight refusals', () => rig.counts()['hubSessions'] === 1, 30_000);
  await rig.until('connected');
  expect(rig.counts()).toMatchObject({ dpsChallenges: 0, hubRefusals: 8 });
});

test('custom allocation: the payload reaches the webhook, and its choice and answer come back', async () => {
  const hubName = [...world.emulator.hubs.keys()][1]!;
  const asked: unknown[] = [];
  const webhook = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      asked.push(
        (JSON.parse(text) as { deviceRuntimeContext: { payload: unknown } }).deviceRuntimeContext.payload,
      );
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ iotHubHostName: hubName, payload: { site: 'Kaohsiung' } }));
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', () => resolve()));
  try {
    const { port } = webhook.address() as AddressInfo;
    const rig = await world.rig({ payload: () => ({ modelName: 'UC-8112A' }) });
    await enroll(world.emulator, world.tpm, rig.registrationId, {
      allocationPolicy: 'custom',
      customAllocationDefinition: { webhookUrl: `http://127.0.0.1:${port}/`, apiVersion: '2021-10-01' },
    });
    await rig.lifecycle.start();
    await rig.configure();
    expect((await rig.until('connected')).assignedHub).toBe(hubName);
    expect(asked).toContainEqual({ modelName: 'UC-8112A' });
    expect(rig.store.current().assignment?.payload).toEqual({ site: 'Kaohsiung' });
  } finally {
    webhook.closeAllConnections();
    await new Promise<void>((resolve) => void webhook.close(() => resolve()));
  }
});
