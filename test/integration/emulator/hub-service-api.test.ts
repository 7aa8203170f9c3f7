import { type JsonAnswer, admin, hubService } from '../../support/azure-client';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { type EnrolledDevice, enrolledDevice } from '../../support/enrolled-device';
import { MqttDevice } from '../../support/mqtt-device';

interface HubAccess {
  readonly hostName: string;
  readonly policyName: string;
  readonly policyKey: string;
}

let emulator: TestEmulator;
let hub: HubAccess;
let who: EnrolledDevice;
let device: MqttDevice;

beforeAll(async () => {
  emulator = await startEmulator();
  const { body } = await admin(emulator, 'GET', '/hubs');
  hub = (body as { hubs: HubAccess[] }).hubs[0]!;
});
afterAll(async () => {
  await emulator.end();
});
beforeEach(async () => {
  const name = expect.getState().currentTestName ?? '';
  who = await enrolledDevice(emulator, `d${Buffer.from(name).toString('hex').slice(-60)}`);
  const attempt = await MqttDevice.connect(emulator, who);
  expect(attempt.code).toBe(0);
  device = attempt.device;
});
afterEach(() => {
  device.end();
});

type Service = Parameters<typeof hubService> extends [unknown, unknown, ...infer R] ? R : never;
const service = async (...args: Service): Promise<JsonAnswer> => await hubService(emulator, hub, ...args);

describe('twins', () => {
  test('a desired change reaches the device with its version, and tags do not', async () => {
    await device.subscribe('$iothub/twin/PATCH/properties/desired/#');
    const patch = { tags: { line: 1 }, properties: { desired: { services: { sshserver: false } } } };
    const answer = await service('PATCH', `/twins/${who.deviceId}`, patch);
    expect(answer.body).toMatchObject({
      deviceId: who.deviceId,
      version: 3,
      connectionState: 'Connected',
      tags: { line: 1 },
      properties: { desired: { services: { sshserver: false }, $version: 2 }, reported: { $version: 1 } },
    });
    const { topic, text } = await device.message('$iothub/twin/PATCH/properties/desired/');
    expect(topic).toBe('$iothub/twin/PATCH/properties/desired/?$version=2');
    expect(JSON.parse(text)).toEqual({ services: { sshserver: false }, $version: 2 });
  });

  test('PUT replaces what PATCH merges', async () => {
    await service('PATCH', `/twins/${who.deviceId}`, { properties: { desired: { a: 1, b: 2 } } });
    const put = await service('PUT', `/twins/${who.deviceId}`, { properties: { desired: { b: 3 } } });
    expect(put.body).toMatchObject({ properties: { desired: { b: 3, $version: 3 } } });
    expect(put.body).not.toMatchObject({ properties: { desired: { a: 1 } } });
  });

  test('a stale etag: 412, a forbidden key: 400, no device: 404, each with an IoT Hub error', async () => {
    const { body } = await service('GET', `/twins/${who.deviceId}`);
    const { etag } = body as { etag: string };
    const patch = { tags: { x: 1 } };
    const path = `/twins/${who.deviceId}`;
    expect((await service('PATCH', path, patch, { 'if-match': `"${etag}"` })).status).toBe(200);
    const stale = await service('PATCH', path, patch, { 'if-match': `"${etag}"` });
    expect(stale).toMatchObject({
      status: 412,
      body: { Message: expect.stringMatching(/^ErrorCode:PreconditionFailed;/) as unknown },
    });
    const bad = await service('PATCH', path, { tags: { 'a.b': 1 } });
    expect(bad).toMatchObject({
      status: 400,
      body: { Message: expect.stringContaining('ErrorCode:ArgumentInvalid') as unknown },
    });
    const none = await service('GET', '/twins/nobody');
    expect(none).toMatchObject({
      status: 404,
      body: { Message: expect.stringContaining('ErrorCode:DeviceNotFound') as unknown },
    });
  });
});

describe('direct methods', () => {
  const call = { methodName: 'ping', payload: { n: 1 }, responseTimeoutInSeconds: 5 };

  test('a call reaches the device and its answer comes back', async () => {
    await device.subscribe('$iothub/methods/POST/#');
    const answer = service('POST', `/twins/${who.deviceId}/methods`, call);
    const { topic, text } = await device.message('$iothub/methods/POST/ping/');
    expect(JSON.parse(text)).toEqual({ n: 1 });
    const rid = /\$rid=(\w+)/.exec(topic)?.[1] ?? '';
    device.publish(`$iothub/methods/res/207/?$rid=${rid}`, '{"ok":true}');
    expect((await answer).body).toEqual({ status: 207, payload: { ok: true } });
  });

  test('a device that did not subscribe, or is not there: 404', async () => {
    const path = `/twins/${who.deviceId}/methods`;
    expect((await service('POST', path, call)).status).toBe(404);
    device.end();
    expect(await service('POST', path, call)).toMatchObject({
      status: 404,
      body: { Message: expect.stringContaining('DeviceNotOnline') as unknown },
    });
  });

  test('a call waits for the device to connect when asked to', async () => {
    emulator.hubs.get(who.hub)?.link(who.deviceId)?.close('test');
    await device.whenClosed();
    const waiting = service('POST', `/twins/${who.deviceId}/methods`, {
      ...call,
      connectTimeoutInSeconds: 10,
    });
    const again = await MqttDevice.connect(emulator, who, { clean: false });
    await again.device.subscribe('$iothub/methods/POST/#');
    const { topic } = await again.device.message('$iothub/methods/POST/ping/');
    again.device.publish(`$iothub/methods/res/200/?$rid=${/\$rid=(\w+)/.exec(topic)?.[1] ?? ''}`, '');
    expect((await waiting).body).toEqual({ status: 200, payload: null });
    again.device.end();
  });

  test('no answer in time: 504', async () => {
    await device.subscribe('$iothub/methods/POST/#');
    const answer = await service('POST', `/twins/${who.deviceId}/methods`, call);
    expect(answer.status).toBe(504);
  });

  test('a connection that ends meanwhile: 404 at once', async () => {
    await device.subscribe('$iothub/methods/POST/#');
    const answer = service('POST', `/twins/${who.deviceId}/methods`, call);
    await device.message('$iothub/methods/POST/ping/');
    device.end();
    expect((await answer).status).toBe(404);
  });

  test.each([
    ['no name', {}],
    ['a name with a slash', { methodName: 'a/b' }],
    ['a time-out of 1 s', { methodName: 'a', responseTimeoutInSeconds: 1 }],
  ])('a call with %s: 400', async (_what, body) => {
    expect((await service('POST', `/twins/${who.deviceId}/methods`, body)).status).toBe(400);
  });
});

describe('messages to the device', () => {
  const send = async (text: string, headers: Record<string, string> = {}): Promise<number> => {
    const to = `/devices/${who.deviceId}/messages/deviceBound`;
    const all = { 'iothub-to': to, 'content-type': 'text/plain', ...headers };
    return (await service('POST', '/messages/deviceBound', text, all)).status;
  };
  const bound = (): string => `devices/${who.deviceId}/messages/devicebound/`;

  test('arrive with their properties, at least once until acknowledged', async () => {
    await device.subscribe(`${bound()}#`, 1);
    expect(await send('hello', { 'iothub-messageid': 'm1', 'iothub-app-colour': 'red' })).toBe(204);
    const first = await device.message(bound());
    expect(first.text).toBe('hello');
    expect(first.topic).toContain('%24.mid=m1');
    expect(first.topic).toContain('colour=red');

    device.end();
    const again = await MqttDevice.connect(emulator, who);
    await again.device.subscribe(`${bound()}#`, 1);
    const second = await again.device.message(bound());
    expect(second.text).toBe('hello');
    again.device.send({ cmd: 'puback', messageId: second.packet.messageId ?? 0 });
    again.device.send({ cmd: 'pingreq' });
    await again.device.next((p) => p.cmd === 'pingresp');
    expect(emulator.hubs.get(who.hub)?.devices.get(who.deviceId)?.messages).toEqual([]);
    again.device.end();
  });

  test('wait for the device in a session that is not clean, without a new subscription', async () => {
    device.end();
    const first = await MqttDevice.connect(emulator, who, { clean: false });
    await first.device.subscribe(`${bound()}#`, 1);
    first.device.end();
    await first.device.whenClosed();
    expect(await send('waited')).toBe(204);
    const second = await MqttDevice.connect(emulator, who, { clean: false });
    expect((await second.device.message(bound())).text).toBe('waited');
    second.device.end();
  });

  test('more than fifty are refused, expired ones are not delivered, a purge forgets the rest', async () => {
    const past = new Date(Date.now() - 1000).toISOString();
    expect(await send('old', { 'iothub-expiry': past })).toBe(204);
    for (let i = 1; i < 50; i += 1) expect(await send(`n${i}`)).toBe(204);
    expect(await send('one too many')).toBe(403);
    await device.subscribe(`${bound()}#`, 1);
    expect((await device.message(bound())).text).toBe('n1');
    const purged = await service('DELETE', `/devices/${who.deviceId}/commands`);
    expect(purged.body).toEqual({ deviceId: who.deviceId, totalMessagesPurged: 49 });
  });

  test('to nobody: 404, too large: 400, no time as expiry: 400', async () => {
    const nobody = { 'iothub-to': '/devices/nobody/messages/deviceBound', 'content-type': 'text/plain' };
    expect((await service('POST', '/messages/deviceBound', 'x', nobody)).status).toBe(404);
    expect(await send('x'.repeat(65 * 1024))).toBe(400);
    expect(await send('x', { 'iothub-expiry': 'soon' })).toBe(400);
  });
});

describe('identities', () => {
  test('are made, read, listed, disabled and deleted', async () => {
    const made = await service('PUT', '/devices/extra', { deviceId: 'extra' });
    expect(made.body).toMatchObject({
      deviceId: 'extra',
      status: 'enabled',
      connectionState: 'Disconnected',
    });
    expect((await service('PUT', '/devices/extra', { deviceId: 'extra' })).status).toBe(409);
    const listed = (await service('GET', '/devices')).body as { deviceId: string }[];
    expect(listed.map((d) => d.deviceId)).toContain('extra');
    const match = { 'if-match': '*' };
    const disabled = await service('PUT', '/devices/extra', { deviceId: 'extra', status: 'disabled' }, match);
    expect(disabled.body).toMatchObject({ status: 'disabled' });
    expect((await service('DELETE', '/devices/extra', undefined, { 'if-match': '"stale"' })).status).toBe(
      412,
    );
    expect((await service('DELETE', '/devices/extra', undefined, match)).status).toBe(204);
    expect((await service('GET', '/devices/extra')).status).toBe(404);
  });

  test('disabling or deleting a connected device drops it', async () => {
    const body = { deviceId: who.deviceId, status: 'disabled' };
    await service('PUT', `/devices/${who.deviceId}`, body, { 'if-match': '*' });
    await device.whenClosed();
    expect((await MqttDevice.connect(emulator, who)).code).toBe(5);
  });

  test('a token of another hub, or of DPS, is refused', async () => {
    const other = { ...hub, policyKey: emulator.ready.policyKey };
    expect((await hubService(emulator, other, 'GET', '/devices')).status).toBe(401);
    const nohub = { ...hub, hostName: 'other.example' };
    expect((await hubService(emulator, nohub, 'GET', '/devices')).status).toBe(401);
  });
});

test.each(['AAAA', 'not base64 at all, but long enough', Buffer.alloc(65).toString('base64')])(
  'a device key that anybody could sign with, or that is none, is refused: "%s"',
  async (primaryKey) => {
    const path = '/devices/weak';
    const answer = await service('PUT', path, {
      deviceId: 'weak',
      authentication: { symmetricKey: { primaryKey } },
    });
    expect(answer.status).toBe(400);
    expect((await service('GET', path)).status).toBe(404);
  },
);

test('an empty device key, as azure-iothub sends it for none, leaves the hub to make one', async () => {
  const authentication = { symmetricKey: { primaryKey: '', secondaryKey: '' } };
  const made = await service('PUT', '/devices/keyless', { deviceId: 'keyless', authentication });
  expect(made.status).toBe(200);
  const { primaryKey, secondaryKey } = (
    made.body as { authentication: { symmetricKey: Record<string, string> } }
  ).authentication.symmetricKey;
  for (const key of [primaryKey, secondaryKey]) {
    expect(Buffer.from(key ?? '', 'base64').length).toBeGreaterThanOrEqual(16);
  }
  expect(primaryKey).not.toBe(secondaryKey);
});
