import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Server as TlsServer, type TLSSocket, createServer as createTlsServer } from 'node:tls';
import { generate } from 'mqtt-packet';
import { HubConnection, type HubConnectionOptions } from '../../../src/agent/hub/hub-connection';
import { systemClock } from '../../../src/common/clock';
import { createLogger } from '../../../src/common/logger';
import { TrustedTime } from '../../../src/common/trusted-time';
import { selfSigned } from '../../support/certificates';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { HostileHub } from '../../support/hostile-hub';
import { admin } from '../../support/lifecycle-rig';
import { FakeClock } from '../../support/fake-clock';
import { waitFor } from '../../support/wait';

let emulator: TestEmulator;
let key: Buffer;
const open: HubConnection[] = [];
const servers: (Server | TlsServer)[] = [];
const hostileHubs: HostileHub[] = [];
const sockets = new Set<Socket | TLSSocket>();

beforeAll(async () => {
  emulator = await startEmulator();
  const device = await emulator.hubs.get(emulator.ready.hubHostName)!.ensureDevice('dev-1');
  key = Buffer.from(device.primaryKey, 'base64');
});
beforeEach(() => emulator.counters.reset());
afterEach(async () => {
  for (const connection of open.splice(0)) await connection.close();
  for (const hub of hostileHubs.splice(0)) await hub.stop();
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) {
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  }
});
afterAll(async () => emulator.end());

async function dial(overrides: Partial<HubConnectionOptions> = {}) {
  const lost: string[] = [];
  const connection = await HubConnection.open(
    {
      hub: emulator.ready.hubHostName,
      deviceId: 'dev-1',
      gateway: emulator.ready.hub,
      ca: emulator.ca,
      sign: async (data) => Promise.resolve(createHmac('sha256', key).update(data).digest()),
      clock: systemClock,
      time: new TrustedTime(systemClock),
      logger: createLogger('test', 'silent'),
      methods: { ping: async () => Promise.resolve({ status: 200, payload: 'pong' }) },
      onLost: ({ code }) => lost.push(code),
      ...overrides,
    },
    new AbortController().signal,
  );
  open.push(connection);
  return { connection, lost };
}

async function listening(server: Server | TlsServer): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return (server.address() as AddressInfo).port;
}

test('tokens are renewed again and again without a lost message or method', async () => {
  const { connection, lost } = await dial({
    times: { lifeMs: 5000, marginMs: 3500, jitterMs: 0, retryMs: 200 },
  });
  const sent: Promise<void>[] = [];
  for (let n = 0; n < 60; n += 1) {
    const createdAt = new Date().toISOString();
    sent.push(connection.send({ body: JSON.stringify({ n }), properties: {}, createdAt }));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await Promise.all(sent);
  const sessions = emulator.counters.of('dev-1').hubSessions;
  expect(sessions).toBeGreaterThanOrEqual(3);
  const { telemetry } = (await admin(emulator, 'GET', '/telemetry')) as { telemetry: { body: string }[] };
  const numbers = new Set(telemetry.map(({ body }) => (JSON.parse(body) as { n: number }).n));
  expect(numbers.size).toBe(60);
  // A call may fall into a renewal, as it may with IoT Hub; then the caller asks again.
  const answer = await waitFor('the method to be answered', async () =>
    emulator.hubs.get(emulator.ready.hubHostName)!.link('dev-1')?.invoke('ping', null, 1000),
  );
  expect(answer).toEqual({ status: 200, payload: 'pong' });
  expect(lost).toEqual([]);
});

test('a half-open connection is noticed by keep-alive', async () => {
  let frozen = false;
  const port = await listening(
    createServer((client) => {
      const upstream = connect(emulator.hubPort, '127.0.0.1');
      sockets.add(upstream);
      upstream.on('error', () => client.destroy());
      client.on('error', () => upstream.destroy());
      client.on('data', (data) => frozen || upstream.write(data));
      upstream.on('data', (data) => frozen || client.write(data));
    }),
  );
  const { lost } = await dial({ gateway: `localhost:${port}`, keepAliveSec: 1 });
  frozen = true;
  await waitFor('the loss', () => lost.length > 0, 10_000);
  expect(lost).toEqual(['HUB_CONNECTION_LOST']);
});

test('close is quick and final, also when the hub is silent', async () => {
  let frozen = false;
  const port = await listening(
    createServer((client) => {
      const upstream = connect(emulator.hubPort, '127.0.0.1');
      sockets.add(upstream);
      client.on('error', () => upstream.destroy());
      client.on('data', (data) => frozen || upstream.write(data));
      upstream.on('data', (data) => frozen || client.write(data));
    }),
  );
  const { connection, lost } = await dial({ gateway: `localhost:${port}` });
  frozen = true;
  const start = performance.now();
  await connection.close();
  expect(performance.now() - start).toBeLessThan(2500);
  await expect(connection.send({ body: '{}', properties: {}, createdAt: '' })).rejects.toMatchObject({
    code: 'HUB_NOT_CONNECTED',
  });
  expect(lost).toEqual([]);
});

test('200 connections one after the other leave no socket and no timer behind', async () => {
  const resources = (): number =>
    process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout/.test(name)).length;
  const warmUp = await dial();
  await warmUp.connection.close();
  const before = resources();
  for (let i = 0; i < 200; i += 1) {
    const { connection } = await dial();
    await connection.close();
    open.splice(0);
  }
  await waitFor('sockets and timers to go', () => resources() <= before + 4, 10_000);
}, 120_000);

const hostile = async (attack: Parameters<typeof HostileHub.start>[0]): Promise<HostileHub> => {
  const hub = await HostileHub.start(attack);
  hostileHubs.push(hub);
  return hub;
};

const publish = (topic: string, payload: string) => (socket: TLSSocket) =>
  void socket.write(generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false }));

test.each<[string, (socket: TLSSocket) => void]>([
  ['a method call that is not JSON', publish('$iothub/methods/POST/ping/?$rid=1', '{not json')],
  ['a method call without request id', publish('$iothub/methods/POST/ping/', '{}')],
  ['a method nobody has', publish('$iothub/methods/POST/nobody/?$rid=1', '{}')],
  ['a twin answer nobody asked for', publish('$iothub/twin/res/200/?$rid=9', '{not json')],
  [
    'a desired patch that is not JSON',
    publish('$iothub/twin/PATCH/properties/desired/?$version=2', '{not json'),
  ],
  ['a topic of no meaning', publish('x/y/z', 'x')],
  ['a topic of broken escapes', publish('$iothub/methods/POST/%E0%A4%A/?$rid=%', '{}')],
])('garbage from the hub is left out and the connection goes on: %s', async (_name, attack) => {
  const hub = await hostile(attack);
  const { lost } = await dial(hub.where);
  await waitFor('the answer to the good call', () => hub.answers > 0);
  expect(lost).toEqual([]);
});

test.each<[string, Buffer]>([
  ['a packet of reserved type', Buffer.from([0x00, 0x00])],
  ['random bytes', Buffer.from('ffffffffffffffffdeadbeef', 'hex')],
  ['a CONNACK again', Buffer.from([0x20, 0x02, 0x00, 0x05])],
])('bytes that are no MQTT never end the process: %s', async (_name, bytes) => {
  const hub = await hostile((socket) => void socket.write(bytes));
  const { connection } = await dial(hub.where);
  await waitFor('the attack', () => hub.attacked);
  await connection.close();
  const { connection: next } = await dial();
  await next.send({ body: '{}', properties: {}, createdAt: new Date().toISOString() });
});

const welcome = generate({ cmd: 'connack', returnCode: 0, sessionPresent: false });
test.each<[string, (socket: TLSSocket) => void]>([
  ['lets in and closes', (socket) => void socket.end(welcome)],
  [
    'lets in and sends what is no MQTT, at once',
    (socket) => void socket.write(Buffer.concat([welcome, Buffer.from([0x00, 0x00])])),
  ],
  ['lets in and cuts the connection', (socket) => void socket.write(welcome, () => socket.destroy())],
])(
  'a hub that %s in the same breath is a lost connection, not one that is thought to hold',
  async (_, greet) => {
    const folder = await mkdtemp(join(tmpdir(), 'tpe-hub-'));
    const tls = selfSigned(folder);
    await rm(folder, { recursive: true, force: true });
    const server = createTlsServer(tls, (socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.once('data', () => greet(socket));
    });
    const where = { gateway: `localhost:${await listening(server)}`, ca: tls.cert, connectTimeoutMs: 3000 };
    const told: string[] = [];
    const onLost = ({ code }: { code: string }): void => void told.push(code);
    await dial({ ...where, onLost }).catch((error: unknown) => told.push((error as { code: string }).code));
    await waitFor('the end to be told', () => told.length > 0, 10_000);
    expect(told).toHaveLength(1);
    expect(['HUB_CONNECTION_LOST', 'HUB_UNREACHABLE', 'HUB_PACKET_INVALID']).toContain(told[0]);
  },
);

test('a token that comes after the attempt was given up opens no connection that nobody knows', async () => {
  const clock = new FakeClock();
  let sign: (signature: Buffer) => void = () => undefined;
  const failed = dial({
    clock,
    sign: () => new Promise<Buffer>((resolve) => (sign = resolve)),
    connectTimeoutMs: 20_000,
  }).catch((error: unknown) => (error as { code: string }).code);
  await waitFor('the wait for the signature', () => clock.timers > 0);
  const slow = sign;
  clock.advance(20_000);
  expect(await failed).toBe('HUB_TIMEOUT');
  slow(createHmac('sha256', key).update('too late').digest());
  // The next attempt takes longer than a connection of the first one would have.
  await dial();
  expect(emulator.counters.of('dev-1').hubConnects).toBe(1);
  // No renewal is planned for it either.
  expect(clock.timers).toBe(0);
});
