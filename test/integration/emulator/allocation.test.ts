import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { admin, dpsService, enroll, registerSoftly } from '../../support/azure-client';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { newSoftTpm } from '../../support/soft-tpm';
import { waitFor } from '../../support/wait';

const tpm = newSoftTpm();
let emulator: TestEmulator;
let hubNames: string[];

beforeAll(async () => {
  emulator = await startEmulator({ hubs: 3 });
  hubNames = [...emulator.hubs.keys()];
});
afterAll(async () => {
  await emulator.end();
});

const attestation = { type: 'tpm', tpm: { endorsementKey: tpm.endorsementKey } };

async function change(registrationId: string, more: object): Promise<void> {
  const body = { registrationId, attestation, ...more };
  const answer = await dpsService(emulator, 'PUT', `/enrollments/${registrationId}`, body, {
    'if-match': '*',
  });
  expect(answer.status).toBe(200);
}

test('static allocation takes the first hub of the list, hashed always the same one', async () => {
  await enroll(emulator, 's1', tpm, { allocationPolicy: 'static', iotHubs: [hubNames[2], hubNames[0]] });
  expect((await registerSoftly(emulator, 's1', tpm)).state.assignedHub).toBe(hubNames[2]);
  await enroll(emulator, 'h1', tpm, { allocationPolicy: 'hashed' });
  const first = (await registerSoftly(emulator, 'h1', tpm)).state.assignedHub;
  expect((await registerSoftly(emulator, 'h1', tpm)).state.assignedHub).toBe(first);
});

test('hashed allocation uses all hubs', async () => {
  const used = new Set<string>();
  for (let i = 0; used.size < 3 && i < 60; i += 1) {
    await enroll(emulator, `spread-${i}`, tpm);
    used.add((await registerSoftly(emulator, `spread-${i}`, tpm)).state.assignedHub);
  }
  expect(used.size).toBe(3);
});

test('a hub that is not linked: the registration fails with 400208', async () => {
  await enroll(emulator, 'nohub', tpm, { iotHubHostName: 'other.azure-devices.localhost' });
  const { state, hubKey } = await registerSoftly(emulator, 'nohub', tpm);
  expect(state).toMatchObject({ status: 'failed', errorCode: 400208 });
  expect(hubKey).toBeUndefined();
});

describe('reprovisioning to another hub', () => {
  async function movedDevice(id: string, reprovisionPolicy: object) {
    const initialTwin = { properties: { desired: { rate: 1 } } };
    await enroll(emulator, id, tpm, { iotHubHostName: hubNames[0], initialTwin, reprovisionPolicy });
    await registerSoftly(emulator, id, tpm);
    await emulator.hubs.get(hubNames[0]!)?.update(id, (record) => ({
      ...record,
      twin: { ...record.twin, reported: { seen: true } },
    }));
    await change(id, { iotHubHostName: hubNames[1], initialTwin, reprovisionPolicy });
    const { state } = await registerSoftly(emulator, id, tpm);
    const on = (hub: string | undefined) => emulator.hubs.get(hub ?? '')?.devices.get(id);
    return { state, before: on(hubNames[0]), after: on(hubNames[1]) };
  }

  test('with its data: the twin comes along and the old identity is gone', async () => {
    const policy = { updateHubAssignment: true, migrateDeviceData: true };
    const { state, before, after } = await movedDevice('m1', policy);
    expect(state).toMatchObject({ assignedHub: hubNames[1], substatus: 'deviceDataMigrated' });
    expect(before).toBeUndefined();
    expect(after?.twin).toMatchObject({ desired: { rate: 1 }, reported: { seen: true } });
  });

  test('without its data: the twin starts anew', async () => {
    const policy = { updateHubAssignment: true, migrateDeviceData: false };
    const { state, after } = await movedDevice('m2', policy);
    expect(state.substatus).toBe('deviceDataReset');
    expect(after?.twin).toMatchObject({ desired: { rate: 1 }, reported: {} });
  });

  test('never: it stays where it is', async () => {
    const policy = { updateHubAssignment: false, migrateDeviceData: false };
    const { state, after } = await movedDevice('m3', policy);
    expect(state.assignedHub).toBe(hubNames[0]);
    expect(after).toBeUndefined();
  });

  test('and back again: reprovisionedToInitialAssignment', async () => {
    await movedDevice('m4', { updateHubAssignment: true, migrateDeviceData: true });
    await change('m4', { iotHubHostName: hubNames[0] });
    const { state } = await registerSoftly(emulator, 'm4', tpm);
    expect(state).toMatchObject({
      assignedHub: hubNames[0],
      substatus: 'reprovisionedToInitialAssignment',
    });
  });

  test('moved by the admin API: the old hub lets nobody in, DPS assigns the new one', async () => {
    await enroll(emulator, 'm5', tpm, { iotHubHostName: hubNames[0] });
    await registerSoftly(emulator, 'm5', tpm);
    expect((await admin(emulator, 'POST', '/devices/m5/move', { hub: hubNames[2] })).status).toBe(204);
    expect(emulator.hubs.get(hubNames[0]!)?.devices.get('m5')?.status).toBe('disabled');
    const { state } = await registerSoftly(emulator, 'm5', tpm);
    expect(state).toMatchObject({ assignedHub: hubNames[2], substatus: 'deviceDataMigrated' });
    expect(emulator.hubs.get(hubNames[2]!)?.devices.get('m5')?.status).toBe('enabled');
  });
});

describe('custom allocation', () => {
  let webhook: Server;
  let url: string;
  let asked: unknown;
  let answer: { status: number; body: string };

  beforeAll(async () => {
    webhook = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => {
        asked = JSON.parse(text);
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
      });
    });
    await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/allocate`;
  });
  afterAll(async () => {
    await new Promise((resolve) => webhook.close(resolve));
  });

  async function allocated(id: string, reply: { status: number; body: string }) {
    answer = reply;
    const customAllocationDefinition = { webhookUrl: url, apiVersion: '2021-10-01' };
    await enroll(emulator, id, tpm, { allocationPolicy: 'custom', customAllocationDefinition });
    return (await registerSoftly(emulator, id, tpm, { site: 'Taipei' })).state;
  }

  test('the webhook gets the payload, chooses hub and twin, and its payload reaches the device', async () => {
    const twin = { tags: { site: 'Taipei' } };
    const body = { iotHubHostName: hubNames[1], initialTwin: twin, payload: { interval: 5 } };
    const state = await allocated('c1', { status: 200, body: JSON.stringify(body) });
    expect(state).toMatchObject({ assignedHub: hubNames[1], payload: { interval: 5 } });
    expect(asked).toMatchObject({
      deviceRuntimeContext: { registrationId: 'c1', payload: { site: 'Taipei' } },
      linkedHubs: hubNames,
    });
    expect(emulator.hubs.get(hubNames[1]!)?.devices.get('c1')?.twin.tags).toEqual({ site: 'Taipei' });
  });

  test.each([
    ['an error', 500, '{}'],
    ['garbage', 200, 'no JSON'],
    ['no hub name', 200, '{}'],
    ['a hub that is not linked', 200, '{"iotHubHostName":"other.example"}'],
  ])('a webhook that answers %s: the registration fails', async (what, status, body) => {
    const id = `c-${what.replaceAll(' ', '-')}`;
    expect((await allocated(id, { status, body })).status).toBe('failed');
  });

  test('a webhook that never stops answering is cut off at its limit, not at its time', async () => {
    let sent = 0;
    let cut = false;
    const endless = createServer((request, response) => {
      request.resume();
      const more = (): void => {
        while (!cut && response.write(Buffer.alloc(16_384, 0x20))) sent += 16_384;
      };
      response.on('drain', more);
      response.on('close', () => (cut = true));
      more();
    });
    await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = endless.address() as AddressInfo;
      const customAllocationDefinition = {
        webhookUrl: `http://127.0.0.1:${port}/`,
        apiVersion: '2021-10-01',
      };
      await enroll(emulator, 'c-endless', tpm, { allocationPolicy: 'custom', customAllocationDefinition });
      const { state } = await registerSoftly(emulator, 'c-endless', tpm);
      expect(state).toMatchObject({
        status: 'failed',
        errorMessage: expect.stringContaining('too much') as unknown,
      });
      await waitFor('the end of the answer', () => cut);
      // What the buffers of both ends take; a client that reads on takes all there is.
      expect(sent).toBeLessThan(32 * 1024 * 1024);
    } finally {
      await new Promise((resolve) => endless.close(resolve));
    }
  });
});
