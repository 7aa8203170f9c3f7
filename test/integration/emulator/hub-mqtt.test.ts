import { generate } from 'mqtt-packet';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { type EnrolledDevice, enrolledDevice } from '../../support/enrolled-device';
import { MqttDevice } from '../../support/mqtt-device';
import { sasToken } from '../../support/azure-client';

let emulator: TestEmulator;
let lastId = 0;
const open: MqttDevice[] = [];

beforeAll(async () => {
  emulator = await startEmulator({ hubs: 2 });
});
afterAll(async () => {
  await emulator.end();
});
afterEach(() => {
  for (const device of open.splice(0)) device.end();
  emulator.clock.offsetMs = 0;
});

const newDevice = async (): Promise<EnrolledDevice> => await enrolledDevice(emulator, `dev-${(lastId += 1)}`);

type Attempt = Awaited<ReturnType<typeof MqttDevice.connect>>;

async function connect(
  ...args: Parameters<typeof MqttDevice.connect> extends [unknown, ...infer R] ? R : never
): Promise<Attempt> {
  const attempt = await MqttDevice.connect(emulator, ...args);
  open.push(attempt.device);
  return attempt;
}

async function connected(
  identity?: EnrolledDevice,
): Promise<{ device: MqttDevice; deviceId: string; hub: string }> {
  const who = identity ?? (await newDevice());
  const { device, code } = await connect(who);
  expect(code).toBe(0);
  return { device, deviceId: who.deviceId, hub: who.hub };
}

describe('CONNECT', () => {
  test('the key from DPS opens the door, however the audience is written', async () => {
    const who = await newDevice();
    expect((await connect(who)).code).toBe(0);
    const token = sasToken(`${who.hub}/devices/${who.deviceId}`.toUpperCase(), who.key).replace(
      /%2F/g,
      '%2f',
    );
    // The signature covers the characters as they are sent, so it has to be made anew for other characters.
    const plain = sasToken(`${who.hub}/devices/${who.deviceId}`.toUpperCase(), who.key);
    expect((await connect(who, { password: Buffer.from(plain) })).code).toBe(0);
    expect((await connect(who, { password: Buffer.from(token) })).code).toBe(5);
  });

  test.each<[string, number, (who: EnrolledDevice) => Parameters<typeof MqttDevice.connect>[2]]>([
    ['no password', 4, () => ({ password: Buffer.from('') })],
    ['a password that is no token', 4, () => ({ password: Buffer.from('secret') })],
    ['a user name without api-version', 4, (who) => ({ username: `${who.hub}/${who.deviceId}/` })],
    ['a user name of another form', 4, () => ({ username: 'admin' })],
    ['a client id that is not the device id', 2, () => ({ clientId: 'other' })],
    [
      'a hub that is not there',
      5,
      (who) => ({ username: `other.example/${who.deviceId}/?api-version=2021-04-12` }),
    ],
    [
      'a token for another device',
      5,
      (who) => ({ password: Buffer.from(sasToken(`${who.hub}/devices/other`, who.key)) }),
    ],
    [
      'a token of another key',
      5,
      (who) => ({ password: Buffer.from(sasToken(`${who.hub}/devices/${who.deviceId}`, 'AAAA')) }),
    ],
    [
      'an expired token',
      5,
      (who) => ({
        password: Buffer.from(
          sasToken(`${who.hub}/devices/${who.deviceId}`, who.key, { expiresInSeconds: -5 }),
        ),
      }),
    ],
    ['MQTT 3.1', 1, () => ({ protocolId: 'MQIsdp', protocolVersion: 3 })],
  ])('%s: CONNACK %i', async (_what, code, more) => {
    const who = await newDevice();
    const attempt = await connect(who, more(who));
    expect(attempt.code).toBe(code);
    await attempt.device.whenClosed();
  });

  test('a device unknown to the hub, a disabled one and one whose key changed: CONNACK 5', async () => {
    const who = await newDevice();
    expect((await connect({ ...who, deviceId: 'unknown' })).code).toBe(5);
    await emulator.hubs.get(who.hub)?.update(who.deviceId, (record) => ({ ...record, status: 'disabled' }));
    expect((await connect(who)).code).toBe(5);
    await emulator.hubs.get(who.hub)?.update(who.deviceId, (record) => ({
      ...record,
      status: 'enabled',
      primaryKey: Buffer.alloc(32).toString('base64'),
    }));
    expect((await connect(who)).code).toBe(5);
  });

  test('a CONNECT that comes byte by byte is understood', async () => {
    const { hub, deviceId, key } = await newDevice();
    const device = await MqttDevice.dial(emulator);
    open.push(device);
    const packet = generate({
      cmd: 'connect',
      clientId: deviceId,
      username: `${hub}/${deviceId}/?api-version=2021-04-12`,
      password: Buffer.from(sasToken(`${hub}/devices/${deviceId}`, key)),
    });
    for (const byte of packet) {
      device.raw(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    expect(await device.next((p) => p.cmd === 'connack')).toMatchObject({ returnCode: 0 });
  });

  test('a second connection of the device ends the first', async () => {
    const who = await newDevice();
    const first = await connected(who);
    await connected(who);
    await first.device.whenClosed();
    expect(emulator.hubs.get(who.hub)?.link(who.deviceId)).toBeDefined();
  });

  test('when the token expires the hub drops the connection', async () => {
    const who = await newDevice();
    const { device, code } = await connect({ ...who, expiresInSeconds: 2 });
    expect(code).toBe(0);
    await device.whenClosed();
    expect(emulator.log.join('')).toContain('the token expired');
  });

  test('a token is judged by the clock of the service', async () => {
    const who = await newDevice();
    emulator.clock.offsetMs = 2 * 3_600_000;
    expect((await connect(who)).code).toBe(5);
  });
});

describe('limits', () => {
  test('QoS 2 disconnects', async () => {
    const { device, deviceId } = await connected();
    device.publish(`devices/${deviceId}/messages/events/`, 'x', { qos: 2, messageId: 7 });
    await device.whenClosed();
  });

  test('a subscription with QoS 2 is granted QoS 1, an unknown topic is refused', async () => {
    const { device, deviceId } = await connected();
    expect(await device.subscribe(`devices/${deviceId}/messages/devicebound/#`, 2)).toBe(1);
    expect(await device.subscribe('devices/other/messages/devicebound/#', 0)).toBe(0x80);
    expect(await device.subscribe('#', 0)).toBe(0x80);
  });

  test('a retained message arrives with the property mqtt-retain', async () => {
    const { device, deviceId } = await connected();
    device.publish(`devices/${deviceId}/messages/events/a=b`, 'kept', { retain: true, qos: 1, messageId: 5 });
    expect(await device.next((p) => p.cmd === 'puback')).toMatchObject({ messageId: 5 });
    const line = emulator.log.find((l) => l.includes('"body":"kept"'));
    expect(line).toContain('"mqtt-retain":"true"');
    expect(line).toContain('"a":"b"');
  });

  test('256 KiB pass, one byte more disconnects', async () => {
    const { device, deviceId } = await connected();
    const topic = `devices/${deviceId}/messages/events/`;
    device.publish(topic, Buffer.alloc(256 * 1024, 'a'), { qos: 1, messageId: 1 });
    expect(await device.next((p) => p.cmd === 'puback')).toMatchObject({ messageId: 1 });
    device.publish(topic, Buffer.alloc(256 * 1024 + 1, 'a'), { qos: 1, messageId: 2 });
    await device.whenClosed();
  });

  test('silence for one and a half keep-alives disconnects, a ping prevents it', async () => {
    const who = await newDevice();
    const { device } = await connect(who, { keepalive: 1 });
    device.send({ cmd: 'pingreq' });
    expect(await device.next((p) => p.cmd === 'pingresp')).toBeDefined();
    const start = performance.now();
    await device.whenClosed();
    expect(performance.now() - start).toBeGreaterThan(1200);
  });

  test.each<[string, (device: MqttDevice) => void]>([
    ['a packet before CONNECT', (device) => device.send({ cmd: 'pingreq' })],
    ['a packet type that does not exist', (device) => device.raw(Buffer.from([0x10, 0x00]))],
    [
      'a packet that announces 200 MB',
      (device) => {
        device.raw(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
        device.raw(Buffer.alloc(400 * 1024));
      },
    ],
    ['random bytes', (device) => device.raw(Buffer.from('00ff10ff20ff30ff', 'hex'))],
  ])('%s: disconnected, and others are served', async (_what, misbehave) => {
    const device = await MqttDevice.dial(emulator);
    open.push(device);
    misbehave(device);
    await device.whenClosed();
    await connected();
  });

  test('publishing to a topic that is not the own one disconnects', async () => {
    const { device } = await connected();
    device.publish('devices/other/messages/events/', 'x');
    await device.whenClosed();
  });
});

describe('twin', () => {
  const ready = async () => {
    const them = await connected();
    await them.device.subscribe('$iothub/twin/res/#');
    await them.device.subscribe('$iothub/twin/PATCH/properties/desired/#');
    return them;
  };

  test('reported properties merge, null removes, versions count, and the whole twin can be read', async () => {
    const { device } = await ready();
    device.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"a":1,"b":{"c":2,"d":3}}');
    expect((await device.message('$iothub/twin/res/204/')).topic).toBe(
      '$iothub/twin/res/204/?$rid=1&$version=2',
    );
    device.publish('$iothub/twin/PATCH/properties/reported/?$rid=2', '{"a":null,"b":{"c":5}}');
    expect((await device.message('$iothub/twin/res/204/')).topic).toBe(
      '$iothub/twin/res/204/?$rid=2&$version=3',
    );
    device.publish('$iothub/twin/GET/?$rid=3', '');
    const { topic, text } = await device.message('$iothub/twin/res/200/');
    expect(topic).toBe('$iothub/twin/res/200/?$rid=3');
    expect(JSON.parse(text)).toEqual({
      desired: { $version: 1 },
      reported: { b: { c: 5, d: 3 }, $version: 3 },
    });
  });

  test.each([
    ['not JSON', '{'],
    ['no object', '[1]'],
    ['a key with a dot', '{"a.b":1}'],
    ['a key with a dollar', '{"$a":1}'],
    [
      'eleven levels',
      JSON.stringify(Array.from({ length: 11 }).reduce<object>((inner) => ({ a: inner }), {})),
    ],
    ['a string of more than 4 KB', JSON.stringify({ a: 'x'.repeat(4097) })],
    [
      'more than 32 KB',
      JSON.stringify(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, 'x'.repeat(4000)]))),
    ],
  ])('a patch that is %s: 400, and the twin stays', async (_what, patch) => {
    const { device, deviceId, hub } = await ready();
    device.publish('$iothub/twin/PATCH/properties/reported/?$rid=9', patch);
    expect((await device.message('$iothub/twin/res/')).topic).toBe('$iothub/twin/res/400/?$rid=9');
    expect(emulator.hubs.get(hub)?.devices.get(deviceId)?.twin.reported).toEqual({});
  });

  test('a property named __proto__ is a property', async () => {
    const { device, deviceId, hub } = await ready();
    device.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"__proto__":{"polluted":true}}');
    await device.message('$iothub/twin/res/204/');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    const { reported } = emulator.hubs.get(hub)!.devices.get(deviceId)!.twin;
    expect(JSON.stringify(reported)).toBe('{"__proto__":{"polluted":true}}');
  });
});
