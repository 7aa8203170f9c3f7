import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiCall } from '../../../src/agent/hub/direct-methods';
import { Outbox } from '../../../src/agent/hub/outbox';
import { createLogger } from '../../../src/common/logger';
import { admin } from '../../support/lifecycle-rig';
import { waitFor } from '../../support/wait';
import { lifecycleWorld } from './world';

const world = lifecycleWorld();
const hub = () => world.emulator.hubs.get(world.emulator.ready.hubHostName)!;

test('only sections of the twin that changed are reported', async () => {
  let ssh = false;
  const rig = await world.connected({
    reportedProperties: async () =>
      Promise.resolve({ general: { serialNumber: 'X' }, sshserver: { enable: ssh, port: 22 } }),
  });
  const reported = () => hub().devices.get(rig.registrationId)?.twin.reported;
  const patches = (): number => rig.counts()['reportedPatches'] ?? 0;
  await waitFor('the first report', () => patches() === 1);
  rig.lifecycle.refreshTwin();
  ssh = true;
  rig.lifecycle.refreshTwin();
  await waitFor('the change', () => (reported()?.['sshserver'] as { enable: boolean }).enable);
  rig.lifecycle.refreshTwin();
  await waitFor('the count', () => patches() === 2);
  expect(reported()).toEqual({ general: { serialNumber: 'X' }, sshserver: { enable: true, port: 22 } });
});

test('desired services are applied as API calls and acknowledged with version and result', async () => {
  const calls: ApiCall[] = [];
  const rig = await world.connected({
    applyDesired: async (call) => {
      calls.push(call);
      const ok = !call.path.includes('sshserver');
      return Promise.resolve(
        ok
          ? { status: 200, payload: {} }
          : { status: 403, payload: { error: { message: 'permission denied' } } },
      );
    },
  });
  await waitFor('the subscription', () => hub().link(rig.registrationId));
  const applied = () =>
    (hub().devices.get(rig.registrationId)?.twin.reported['agent'] as { applied?: unknown } | undefined)
      ?.applied;
  const record = hub().devices.get(rig.registrationId)!;
  const desired = {
    services: { ntp: { enable: true }, sshserver: { enable: true } },
    discovery: { enable: false },
  };
  const version = record.twin.desiredVersion + 1;
  await waitFor('the acknowledgement', async () => {
    await hub().update(rig.registrationId, (device) => ({
      ...device,
      twin: { ...device.twin, desired, desiredVersion: version },
    }));
    hub().link(rig.registrationId)?.desiredChanged(desired, version);
    return applied();
  });
  expect(applied()).toEqual({
    version,
    services: {
      ntp: { version, status: 200 },
      sshserver: { version, status: 403, message: 'permission denied' },
    },
    discovery: { version, status: 200 },
  });
  expect(calls.map(({ path }) => path)).toEqual([
    '/system/services/ntp/enable',
    '/system/services/sshserver/enable',
    '/system/discovery',
  ]);
});

test('direct methods: ping, the REST API when it is switched on, and reprovision', async () => {
  const rig = await world.connected({
    apiMethod: async ({ method, path }) =>
      Promise.resolve({ status: 200, payload: { data: { method, path } } }),
  });
  const link = await waitFor('the methods', async () => {
    const found = hub().link(rig.registrationId);
    if (found === undefined) return undefined;
    await found.invoke('ping', null, 2000);
    return found;
  });
  const answer = await link.invoke('thingspro-api-v1', { path: '/device/general', method: 'GET' }, 5000);
  expect(answer).toEqual({ status: 200, payload: { data: { method: 'GET', path: '/device/general' } } });
  expect(await link.invoke('reprovision', {}, 5000)).toMatchObject({ status: 202 });
  await waitFor('the second registration', () => rig.lifecycle.status().counters.registrations === 2);
  await rig.until('connected');
});

test('the REST API through the hub is off by default', async () => {
  const rig = await world.connected();
  const link = await waitFor('the methods', async () => {
    const found = hub().link(rig.registrationId);
    if (found !== undefined) await found.invoke('ping', null, 2000);
    return found;
  });
  await expect(link.invoke('thingspro-api-v1', { path: '/x', method: 'GET' }, 500)).rejects.toBeDefined();
});

test('messages of an offline time arrive afterwards, in order and once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tpe-outbox-'));
  try {
    const outbox = await Outbox.open(folder, createLogger('test', 'silent'));
    const rig = await world.connected({ outbox, random: () => 0.02 });
    await rig.lifecycle.publish({ n: 0 });
    await admin(world.emulator, 'PATCH', '/settings', { hubListening: false });
    await waitFor('the loss', () => rig.lifecycle.status().state !== 'connected');
    for (const n of [1, 2, 3]) await rig.lifecycle.publish({ n });
    expect(outbox.size).toBe(3);
    await admin(world.emulator, 'PATCH', '/settings', { hubListening: true });
    await rig.until('connected');
    await waitFor('an empty store', () => outbox.size === 0);
    expect(rig.counts()['telemetry']).toBe(4);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('health messages come with the period of the settings', async () => {
  const rig = await world.connected({
    health: async () => Promise.resolve({ uptimeSec: 1 }),
    settings: {
      reprovision: 'dynamic',
      trustedCaFile: world.emulator.ready.ca,
      hubGateway: world.emulator.ready.hub,
      telemetryPeriodSec: 1,
    },
  });
  await waitFor('two messages', () => (rig.counts()['telemetry'] ?? 0) >= 2);
});
