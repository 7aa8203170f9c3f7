import type { FaultAction } from '../../../src/emulator/faults/faults';
import { admin } from '../../support/lifecycle-rig';
import { waitFor } from '../../support/wait';
import { lifecycleWorld } from './world';

const world = lifecycleWorld({ hubs: 2 });

test.each<[string, FaultAction, string]>([
  ['drops', { type: 'drop' }, 'HUB_UNREACHABLE'],
  ['answers garbage', { type: 'garbage' }, 'HUB_TIMEOUT'],
  ['is silent', { type: 'silence' }, 'HUB_TIMEOUT'],
  ['is unavailable (CONNACK 3)', { type: 'connack', code: 3 }, 'HUB_UNREACHABLE'],
  ['refuses (CONNACK 5)', { type: 'connack', code: 5 }, 'HUB_REFUSED'],
  ['refuses (CONNACK 4)', { type: 'connack', code: 4 }, 'HUB_REFUSED'],
])(
  'a hub that %s twice is a passing trouble: connected without another registration',
  async (_name, action, code) => {
    world.emulator.faults.add({ point: 'hub-connect', action, times: 2 });
    const rig = await world.connected({ hubTimeoutMs: 4000 });
    expect(rig.errors).toEqual([code]);
    expect(rig.counts()).toMatchObject({ dpsRegisters: 1, hubConnects: 3 });
  },
);

test('a hub that refuses for longer leads to one registration, and no second one', async () => {
  const rig = await world.connected();
  world.emulator.counters.reset();
  world.emulator.faults.add({ point: 'hub-connect', action: { type: 'connack', code: 5 }, times: 10 });
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/disconnect`);
  await waitFor('ten refusals', () => (rig.counts()['hubConnects'] ?? 0) >= 11, 30_000);
  await rig.until('connected');
  expect(rig.counts()).toMatchObject({ dpsRegisters: 1 });
});

test('the device was moved: the old hub refuses, DPS assigns the new one', async () => {
  const rig = await world.connected();
  const from = rig.lifecycle.status().assignedHub;
  const to = [...world.emulator.hubs.keys()].find((name) => name !== from)!;
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/move`, { hub: to });
  await waitFor('the new hub', () => rig.lifecycle.status().assignedHub === to, 30_000);
  await rig.until('connected');
  await waitFor('the connection there', () => world.emulator.hubs.get(to)!.link(rig.registrationId));
});

test('a device that is disabled in the hub: refused, one registration, and connected when it is enabled again', async () => {
  const rig = await world.connected({ random: () => 0.02 });
  world.emulator.counters.reset();
  const hub = world.emulator.hubs.get(rig.lifecycle.status().assignedHub!)!;
  await hub.update(rig.registrationId, (device) => ({ ...device, status: 'disabled' }));
  hub.link(rig.registrationId)!.close('the device was disabled');
  await waitFor('refusals after the registration', () => (rig.counts()['hubRefusals'] ?? 0) >= 6, 30_000);
  expect(rig.lifecycle.status().lastError).toMatchObject({ code: 'HUB_REFUSED' });
  expect(rig.counts()).toMatchObject({ dpsRegisters: 1 });
  await hub.update(rig.registrationId, (device) => ({ ...device, status: 'enabled' }));
  await rig.until('connected', 30_000);
  expect(rig.counts()).toMatchObject({ dpsRegisters: 1 });
});

test('the key in the hub was changed: the gateway registers again and gets it', async () => {
  const rig = await world.connected();
  const before = rig.store.current().assignment!.key.private;
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/new-key`);
  await waitFor('another key', () => rig.store.current().assignment!.key.private !== before, 30_000);
  await rig.until('connected');
});

test('a dropped connection is made again without DPS', async () => {
  const rig = await world.connected();
  world.emulator.counters.reset();
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/disconnect`);
  await waitFor('the second connection', () => rig.lifecycle.status().counters.connects === 2);
  await rig.until('connected');
  expect(rig.errors).toContain('HUB_CONNECTION_LOST');
  expect(rig.counts()).toMatchObject({ dpsChallenges: 0, hubConnects: 1 });
});

test('the hub ends the connection because the token expired: a fresh one, no DPS', async () => {
  const rig = await world.connected({ random: () => 0.6 });
  world.emulator.counters.reset();
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/expire-token`);
  await waitFor('the second connection', () => rig.lifecycle.status().counters.connects === 2, 30_000);
  await rig.until('connected');
  expect(rig.counts()).toMatchObject({ dpsRegisters: 0 });
});

test('the clock of the hub jumps two hours ahead while connected: the time is asked, no registration', async () => {
  const rig = await world.connected();
  world.emulator.counters.reset();
  world.emulator.clock.offsetMs = 2 * 3600_000;
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/disconnect`);
  await waitFor('the second connection', () => rig.lifecycle.status().counters.connects === 2, 30_000);
  expect(rig.counts()).toMatchObject({ dpsRegisters: 0 });
});

test('the hub is down: back-off, and connected when it is up again', async () => {
  const rig = await world.connected({ random: () => 0.05 });
  await admin(world.emulator, 'PATCH', '/settings', { hubListening: false });
  const status = await waitFor('a failed attempt', () => {
    const now = rig.lifecycle.status();
    return now.lastError?.code === 'HUB_UNREACHABLE' && now;
  });
  expect(['backingOff', 'connecting']).toContain(status.state);
  await admin(world.emulator, 'PATCH', '/settings', { hubListening: true });
  await rig.until('connected');
});

test('the TPM is gone at renewal and back again: the hub key is loaded anew', async () => {
  const rig = await world.connected();
  await world.swtpm.restart();
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/disconnect`);
  await waitFor('the second connection', () => rig.lifecycle.status().counters.connects === 2, 30_000);
  await rig.until('connected');
  expect(rig.counts()).toMatchObject({ dpsRegisters: 1 });
});
