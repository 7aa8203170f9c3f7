import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readFaultsFile } from '../../../src/emulator/faults/faults-file';
import {
  admin,
  dpsDevice,
  dpsService,
  enroll,
  proveTpm,
  registerSoftly,
  sasToken,
} from '../../support/azure-client';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { enrolledDevice } from '../../support/enrolled-device';
import { MqttDevice } from '../../support/mqtt-device';
import { newSoftTpm } from '../../support/soft-tpm';
import { withTempFolder } from '../../support/temp';

const tpm = newSoftTpm();
const body = { tpm: { endorsementKey: tpm.endorsementKey, storageRootKey: tpm.storageRootKey } };
let emulator: TestEmulator;

beforeAll(async () => {
  emulator = await startEmulator();
  await enroll(emulator, 'faulty', tpm);
});
afterAll(async () => {
  await emulator.end();
});
afterEach(async () => {
  await admin(emulator, 'DELETE', '/faults');
  await admin(emulator, 'PATCH', '/settings', { clockOffsetMs: 0, dpsListening: true, hubListening: true });
});

const fault = async (rule: object): Promise<number> =>
  (await admin(emulator, 'POST', '/faults', rule)).status;
const challenge = async () => await dpsDevice(emulator, 'PUT', '/registrations/faulty/register', body);

describe('the admin API', () => {
  test('is closed to everybody without the token of the state folder', async () => {
    const stranger = { ...emulator, adminToken: 'guess' };
    expect((await admin(stranger, 'GET', '/counters')).status).toBe(401);
    expect((await dpsService(emulator, 'GET', '/admin/v1/counters')).status).toBe(401);
  });

  test('lists faults with how often they struck, and removes them', async () => {
    await fault({ point: 'dps-challenge', action: { type: 'status', status: 500 }, times: 1 });
    expect((await challenge()).status).toBe(500);
    const { faults } = (await admin(emulator, 'GET', '/faults')).body as {
      faults: { ruleId: number; struck: number }[];
    };
    expect(faults).toMatchObject([{ struck: 1 }]);
    expect((await admin(emulator, 'DELETE', `/faults/${faults[0]!.ruleId}`)).status).toBe(204);
    expect((await admin(emulator, 'DELETE', `/faults/${faults[0]!.ruleId}`)).status).toBe(404);
  });

  test.each([
    ['an unknown point', { point: 'moon', action: { type: 'drop' } }],
    ['an unknown action', { point: 'dps-poll', action: { type: 'explode' } }],
    ['a delay without end', { point: 'dps-poll', action: { type: 'delay', delayMs: 1e12 } }],
    ['a misspelt key', { point: 'dps-poll', action: { type: 'drop' }, tims: 3 }],
    ['no object', []],
  ])('refuses a fault with %s', async (_what, rule) => {
    expect(await fault(rule)).toBe(400);
  });

  test('refuses settings that are out of range or unknown', async () => {
    expect((await admin(emulator, 'PATCH', '/settings', { retryAfterSeconds: -1 })).status).toBe(400);
    expect((await admin(emulator, 'PATCH', '/settings', { retryAfter: 1 })).status).toBe(400);
  });

  test('counts, tells one device apart from all, and starts anew', async () => {
    await admin(emulator, 'DELETE', '/counters');
    await challenge();
    expect((await admin(emulator, 'GET', '/counters/faulty')).body).toMatchObject({ dpsChallenges: 1 });
    expect((await admin(emulator, 'GET', '/counters/other')).body).toMatchObject({ dpsChallenges: 0 });
    expect((await admin(emulator, 'GET', '/counters')).body).toMatchObject({ totals: { dpsChallenges: 1 } });
  });
});

describe('DPS', () => {
  test('status with headers and body, after some that pass, for one device only', async () => {
    const action = {
      type: 'status',
      status: 429,
      headers: { 'retry-after': '7' },
      body: { errorCode: 429001 },
    };
    await fault({ point: 'dps-challenge', id: 'FAULTY', skip: 1, times: 1, action });
    expect((await challenge()).status).toBe(401);
    const struck = await challenge();
    expect(struck).toMatchObject({ status: 429, body: { errorCode: 429001 } });
    expect(struck.headers['retry-after']).toBe('7');
    expect((await challenge()).status).toBe(401);
  });

  test('drop closes without an answer, silence never answers', async () => {
    await fault({ point: 'dps-challenge', action: { type: 'drop' }, times: 1 });
    await expect(challenge()).rejects.toMatchObject({ code: 'HTTP_UNREACHABLE' });
    await fault({ point: 'dps-challenge', action: { type: 'silence' }, times: 1 });
    const path = '/registrations/faulty/register';
    await expect(dpsDevice(emulator, 'PUT', path, body, {}, 300)).rejects.toMatchObject({
      code: 'HTTP_TIMEOUT',
    });
  });

  test('delay answers late, garbage is no JSON', async () => {
    await fault({ point: 'dps-challenge', action: { type: 'delay', delayMs: 300 }, times: 1 });
    const start = performance.now();
    expect((await challenge()).status).toBe(401);
    expect(performance.now() - start).toBeGreaterThanOrEqual(295);
    await fault({ point: 'dps-challenge', action: { type: 'garbage' } });
    await expect(challenge()).rejects.toThrow(SyntaxError);
  });

  test.each([1, 2, 3, 4, 5])('corruptBlob: a TPM refuses a blob with field %i corrupt', async (field) => {
    await fault({ point: 'dps-challenge', action: { type: 'corruptBlob', field } });
    await expect(proveTpm(emulator, 'faulty', tpm)).rejects.toThrow();
  });

  test("corruptBlob: field 6 is nobody's business", async () => {
    await fault({ point: 'dps-challenge', action: { type: 'corruptBlob', field: 6 } });
    await expect(proveTpm(emulator, 'faulty', tpm)).resolves.toBeDefined();
  });

  test('cutBlob and wrongEk: a TPM cannot open it', async () => {
    await fault({ point: 'dps-challenge', action: { type: 'cutBlob', bytes: 200 }, times: 1 });
    await expect(proveTpm(emulator, 'faulty', tpm)).rejects.toThrow();
    await fault({ point: 'dps-challenge', action: { type: 'wrongEk' } });
    await expect(proveTpm(emulator, 'faulty', tpm)).rejects.toThrow();
  });

  test('wrongKey: the challenge opens, and the token is refused', async () => {
    await fault({ point: 'dps-challenge', action: { type: 'wrongKey' } });
    const { token } = await proveTpm(emulator, 'faulty', tpm);
    const path = '/registrations/faulty/register';
    expect((await dpsDevice(emulator, 'PUT', path, body, { authorization: token })).status).toBe(401);
  });

  test('wrongKey at the poll: assigned, with a key that the hub refuses', async () => {
    await fault({ point: 'dps-poll', action: { type: 'wrongKey' } });
    const { state, hubKey } = await registerSoftly(emulator, 'faulty', tpm);
    const identity = { hub: state.assignedHub, deviceId: state.deviceId, key: hubKey! };
    expect((await MqttDevice.connect(emulator, identity)).code).toBe(5);
  });

  test.each(['failed', 'disabled', 'unassigned'])('result: the operation ends as %s', async (status) => {
    await fault({ point: 'dps-register', action: { type: 'result', status, errorCode: 400209 }, times: 1 });
    expect((await registerSoftly(emulator, 'faulty', tpm)).state).toMatchObject({
      status,
      errorCode: 400209,
    });
  });

  test('a host that is down refuses connections, and is back on the same port', async () => {
    await admin(emulator, 'PATCH', '/settings', { dpsListening: false });
    await expect(challenge()).rejects.toMatchObject({ code: 'HTTP_UNREACHABLE' });
    await admin(emulator, 'PATCH', '/settings', { dpsListening: true });
    expect((await challenge()).status).toBe(401);
  });
});

describe('the hub', () => {
  test('connack refuses with the code of choice, drop closes, and then all is well', async () => {
    const who = await enrolledDevice(emulator, 'hub-1');
    await fault({ point: 'hub-connect', id: 'hub-1', times: 1, action: { type: 'connack', code: 3 } });
    await fault({ point: 'hub-connect', id: 'hub-1', times: 1, action: { type: 'drop' } });
    expect((await MqttDevice.connect(emulator, who)).code).toBe(3);
    expect((await MqttDevice.connect(emulator, who)).code).toBeUndefined();
    const { device, code } = await MqttDevice.connect(emulator, who);
    expect(code).toBe(0);
    device.end();
  });

  test('a message is dropped with the connection, swallowed, or acknowledged late', async () => {
    const who = await enrolledDevice(emulator, 'hub-6');
    const topic = 'devices/hub-6/messages/events/';
    const { device } = await MqttDevice.connect(emulator, who);
    await fault({ point: 'hub-publish', id: 'hub-6', times: 1, action: { type: 'silence' } });
    await fault({ point: 'hub-publish', id: 'hub-6', times: 1, action: { type: 'delay', delayMs: 300 } });
    await fault({ point: 'hub-publish', id: 'hub-6', times: 1, action: { type: 'drop' } });
    device.publish(topic, 'swallowed', { qos: 1, messageId: 1 });
    const start = performance.now();
    device.publish(topic, 'late', { qos: 1, messageId: 2 });
    expect(await device.next((packet) => packet.cmd === 'puback')).toMatchObject({ messageId: 2 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(295);
    device.publish(topic, 'dropped', { qos: 1, messageId: 3 });
    await device.whenClosed();
    const { telemetry } = (await admin(emulator, 'GET', '/telemetry?deviceId=hub-6')).body as {
      telemetry: { body: string }[];
    };
    expect(telemetry.map((entry) => entry.body)).toEqual(['late']);
  });

  test('a clock that is set ahead ends connections whose token expired by it, and only those', async () => {
    const short = await enrolledDevice(emulator, 'hub-7');
    const long = await enrolledDevice(emulator, 'hub-8');
    const first = await MqttDevice.connect(emulator, { ...short, expiresInSeconds: 600 });
    const second = await MqttDevice.connect(emulator, { ...long, expiresInSeconds: 7200 });
    await admin(emulator, 'PATCH', '/settings', { clockOffsetMs: 3_600_000 });
    await first.device.whenClosed();
    second.device.send({ cmd: 'pingreq' });
    expect(await second.device.next((packet) => packet.cmd === 'pingresp')).toBeDefined();
    second.device.end();
  });

  test('an ended token is refused, a fresh one is taken', async () => {
    const who = await enrolledDevice(emulator, 'hub-2');
    const password = Buffer.from(sasToken(`${who.hub}/devices/${who.deviceId}`, who.key));
    const { device } = await MqttDevice.connect(emulator, who, { password });
    await admin(emulator, 'POST', '/devices/hub-2/expire-token');
    await device.whenClosed();
    expect((await MqttDevice.connect(emulator, who, { password })).code).toBe(5);
    expect((await MqttDevice.connect(emulator, { ...who, expiresInSeconds: 7200 })).code).toBe(0);
  });

  test('a new key lets the device in only after a new registration', async () => {
    const who = await enrolledDevice(emulator, 'hub-3');
    const { device } = await MqttDevice.connect(emulator, who);
    await admin(emulator, 'POST', '/devices/hub-3/new-key');
    await device.whenClosed();
    expect((await MqttDevice.connect(emulator, who)).code).toBe(5);
  });

  test('disconnect drops; a device that is not there: 404', async () => {
    const who = await enrolledDevice(emulator, 'hub-4');
    const { device } = await MqttDevice.connect(emulator, who);
    expect((await admin(emulator, 'POST', '/devices/hub-4/disconnect')).status).toBe(204);
    await device.whenClosed();
    expect((await admin(emulator, 'POST', '/devices/nobody/disconnect')).status).toBe(404);
  });

  test('a hub that is down drops its devices and refuses new ones until it is back', async () => {
    const who = await enrolledDevice(emulator, 'hub-5');
    const { device } = await MqttDevice.connect(emulator, who);
    await admin(emulator, 'PATCH', '/settings', { hubListening: false });
    await device.whenClosed();
    await expect(MqttDevice.connect(emulator, who)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await admin(emulator, 'PATCH', '/settings', { hubListening: true });
    expect((await MqttDevice.connect(emulator, who)).code).toBe(0);
  });
});

describe('--faults', () => {
  test('a file in YAML or JSON is read', async () => {
    await withTempFolder(async (folder) => {
      const path = join(folder, 'faults.yaml');
      await writeFile(path, '- point: dps-poll\n  times: 2\n  action: {type: status, status: 503}\n');
      expect(await readFaultsFile(path)).toEqual([
        { point: 'dps-poll', times: 2, action: { type: 'status', status: 503 } },
      ]);
    });
  });

  test.each([
    ['not YAML', '- ['],
    ['no list', 'point: dps-poll'],
    ['an unknown point', '- {point: moon, action: {type: drop}}'],
  ])('a file that is %s is refused', async (_what, text) => {
    await withTempFolder(async (folder) => {
      const path = join(folder, 'faults.yaml');
      await writeFile(path, text);
      await expect(readFaultsFile(path)).rejects.toMatchObject({ code: 'EMU_OPTION_INVALID' });
    });
  });

  test('a file that is not there is refused', async () => {
    await expect(readFaultsFile('/nonexistent/faults.yaml')).rejects.toMatchObject({
      code: 'EMU_OPTION_INVALID',
    });
  });
});
