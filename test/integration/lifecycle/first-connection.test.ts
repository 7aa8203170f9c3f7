import { ConnectionStore } from '../../../src/agent/connection/connection-store';
import { openTpm } from '../../../src/agent/tpm';
import { LifecycleRig, enroll } from '../../support/lifecycle-rig';
import { waitFor } from '../../support/wait';
import { lifecycleWorld } from './world';

const world = lifecycleWorld();

test('challenge, activation, registration and MQTT connection; the twin tells who the gateway is', async () => {
  const general = { serialNumber: 'TAICB1046771', modelName: 'UC-8112A-ME-T-LX' };
  const rig = await world.connected({ reportedProperties: async () => Promise.resolve({ general }) });
  expect(rig.lifecycle.status()).toMatchObject({
    state: 'connected',
    registrationId: 'taicb1046771',
    assignedHub: world.emulator.ready.hubHostName,
    deviceId: 'taicb1046771',
    counters: { registrations: 1, connects: 1, tokens: 1 },
  });
  expect(rig.states).toEqual(['registering', 'connecting', 'connected']);
  const hub = world.emulator.hubs.get(world.emulator.ready.hubHostName)!;
  await waitFor('the reported twin', () => hub.devices.get(rig.registrationId)?.twin.reported['general']);
  expect(hub.devices.get(rig.registrationId)?.twin.reported).toEqual({ general });
});

test('a restart connects from the committed assignment without asking DPS', async () => {
  const rig = await world.connected();
  world.emulator.counters.reset();
  const again = await world.restarted(rig);
  await again.until('connected');
  expect(again.counts()).toMatchObject({ dpsChallenges: 0, dpsRegisters: 0, hubConnects: 1 });
  expect(again.states).toEqual(['connecting', 'connected']);
});

test('after TPM2_Clear the stored key cannot be loaded and the gateway registers again by itself', async () => {
  const rig = await world.connected();
  await rig.lifecycle.stop();
  await world.tpm.close();
  // TPM2_Clear with platform authorization (TPM 2.0 Part 3, 24.6): empty password session.
  const clear = Buffer.from(
    '80020000001b00000126' + '4000000c' + '00000009' + '40000009' + '0000' + '00' + '0000',
    'hex',
  );
  const answer = await world.swtpm.command(clear);
  expect(answer.readUInt32BE(6)).toBe(0);
  const expectedEkName = rig.store.expectedEkName()!;
  world.tpm = await openTpm({ tcti: world.swtpm.tcti, expectedEkName });

  world.emulator.counters.reset();
  const again = await world.restarted(rig);
  await again.until('connected');
  expect(again.states).toEqual(['connecting', 'registering', 'connecting', 'connected']);
  expect(again.counts()).toMatchObject({ dpsRegisters: 1, hubConnects: 1 });
});

test('switching it off ends the connection; switching it on again needs no DPS', async () => {
  const rig = await world.connected();
  await rig.azure.patch({ enable: false });
  await rig.until('unconfigured');
  world.emulator.counters.reset();
  await rig.azure.patch({ enable: true });
  await rig.until('connected');
  expect(rig.counts()).toMatchObject({ dpsRegisters: 0, hubConnects: 1 });
});

test('another ID scope while connected: disconnected, refused by DPS, and back with the right one', async () => {
  const rig = await world.connected();
  await rig.azure.patch({ scopeId: '0ne0wrong' });
  const failed = await rig.until('failed');
  expect(failed.lastError?.code).toMatch(/^DPS_/);
  expect(failed.assignedHub).toBeUndefined();
  await rig.azure.patch({ scopeId: world.emulator.ready.idScope });
  await rig.until('connected');
});

test('an operator asks for a new registration while connected', async () => {
  const rig = await world.connected();
  world.emulator.counters.reset();
  rig.lifecycle.reprovision();
  await rig.until('registering');
  await rig.until('connected');
  expect(rig.counts()).toMatchObject({ dpsRegisters: 1, hubConnects: 1 });
});

test('stop while connected is quick and leaves the hub', async () => {
  const rig = await world.connected();
  const hub = world.emulator.hubs.get(world.emulator.ready.hubHostName)!;
  const start = performance.now();
  await rig.lifecycle.stop();
  expect(performance.now() - start).toBeLessThan(3000);
  await waitFor('the hub to see it go', () => hub.link(rig.registrationId) === undefined);
});

test('an enrollment that is made later is found without anybody touching the gateway', async () => {
  const rig = await world.rig({ registrationId: 'late-1' });
  await rig.lifecycle.start();
  await rig.configure();
  const status = await rig.until('failed');
  expect(status.lastError).toMatchObject({ code: 'DPS_ENROLLMENT_NOT_FOUND' });
  expect(Date.parse(status.nextRetry!)).toBeGreaterThan(Date.now());
  await enroll(world.emulator, world.tpm, rig.registrationId);
  rig.lifecycle.retry();
  await rig.until('connected');
});

test('a registration that is called off while the TPM is asked for its name commits nothing any more', async () => {
  let activations = 0;
  let waiting = false;
  let answer: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (answer = resolve));
  const slowTpm = new Proxy(world.tpm, {
    get(tpm, name) {
      const member: unknown = Reflect.get(tpm, name, tpm);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]): Promise<unknown> => {
        // The second key is the hub key: then the registration is through, and the commit follows.
        if (name === 'activateIdentityKey') activations += 1;
        if (name === 'endorsementKey' && activations === 2) {
          waiting = true;
          await gate;
        }
        return (await Reflect.apply(member, tpm, args)) as unknown;
      };
    },
  });
  const rig = await LifecycleRig.open(world.emulator, slowTpm);
  await enroll(world.emulator, world.tpm, rig.registrationId);
  await rig.lifecycle.start();
  await rig.configure();
  await waitFor('the commit', () => waiting);
  await rig.lifecycle.stop();
  answer();
  await gate;
  // After these the commit is through the TPM's queue, and the file's.
  await world.tpm.random(1);
  const store = await ConnectionStore.open(rig.folder);
  expect(store.current()).toEqual({});
  await rig.end();
});
