import fc from 'fast-check';
import { type Packet, generate } from 'mqtt-packet';
import { HubConnection } from '../../../src/agent/hub/hub-connection';
import { systemClock } from '../../../src/common/clock';
import type { TpeError } from '../../../src/common/errors/tpe-error';
import { createLogger } from '../../../src/common/logger';
import { TrustedTime } from '../../../src/common/trusted-time';
import { HostileHub } from '../../support/hostile-hub';
import { waitFor } from '../../support/wait';

const RUNS = Number(process.env['TPE_FUZZ_RUNS'] ?? 20);

const publish = (topic: string, payload: string): Packet => ({
  cmd: 'publish',
  topic,
  payload,
  qos: 0,
  dup: false,
  retain: false,
});

/** What a hub sends in good order. */
const goodPackets: readonly Packet[] = [
  publish('$iothub/methods/POST/ping/?$rid=1', '{"a":1}'),
  publish('$iothub/twin/res/200/?$rid=1', '{"desired":{"$version":1},"reported":{"$version":1}}'),
  publish('$iothub/twin/PATCH/properties/desired/?$version=2', '{"discovery":{"enable":false},"$version":2}'),
  publish('devices/dev-1/messages/devicebound/%24.mid=1&a=b', 'hello'),
  { ...publish('devices/dev-1/messages/devicebound/%24.mid=2', 'hello'), qos: 1, messageId: 7 } as Packet,
  { cmd: 'puback', messageId: 1 },
  { cmd: 'suback', messageId: 1, granted: [0] },
  { cmd: 'unsuback', messageId: 1, granted: [] },
  { cmd: 'pingresp' },
  { cmd: 'connack', returnCode: 0, sessionPresent: false },
];

const topicPart = fc.constantFrom(
  '$iothub',
  'twin',
  'res',
  'methods',
  'POST',
  '%',
  '?$rid=',
  '\u0000',
  '',
  'ping',
  '200',
);
const anyPublish = fc
  .tuple(fc.array(topicPart, { minLength: 1, maxLength: 6 }), fc.oneof(fc.json(), fc.string()))
  .map(([parts, payload]) => generate(publish(parts.join('/').slice(0, 60000) || 'x', payload)));

const spoiledPacket = fc
  .tuple(
    fc.constantFrom(...goodPackets),
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }),
    fc.nat(400),
  )
  .map(([packet, flips, cut]) => {
    const bytes = Buffer.from(generate(packet));
    for (const [at, byte] of flips) bytes[at % bytes.length] = byte;
    return cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
  });

const attack = fc.array(
  fc.oneof(
    spoiledPacket,
    anyPublish,
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  ),
  { minLength: 1, maxLength: 5 },
);

async function dial(hub: HostileHub) {
  const lost: TpeError[] = [];
  const invalid: TpeError[] = [];
  const connection = await HubConnection.open(
    {
      hub: 'hub-a.azure-devices.net',
      deviceId: 'dev-1',
      ...hub.where,
      sign: async (data) => Promise.resolve(Buffer.from(data).subarray(0, 32)),
      clock: systemClock,
      time: new TrustedTime(systemClock),
      logger: createLogger('test', 'silent'),
      methods: { ping: async () => Promise.resolve({ status: 200, payload: 'pong' }) },
      onLost: (error) => lost.push(error),
      onInvalid: (error) => invalid.push(error),
      connectTimeoutMs: 5000,
    },
    new AbortController().signal,
  );
  return { connection, lost, invalid };
}

test('whatever a hub sends once it has let the gateway in: nothing is thrown, and the next connection is unharmed', async () => {
  const hub = await HostileHub.start(() => undefined);
  try {
    await fc.assert(
      fc.asyncProperty(attack, async (packets) => {
        const before = hub.answers;
        hub.attacked = false;
        hub.attack = (socket) => {
          for (const packet of packets) socket.write(packet);
        };
        const { connection, lost, invalid } = await dial(hub);
        await waitFor('the attack', () => hub.attacked);
        connection.openTwin(() => undefined).catch(() => undefined);
        // Garbage may leave the connection alive, end it, or keep its parser waiting for more.
        for (let i = 0; i < 20 && hub.answers === before && lost.length === 0; i += 1) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        await connection.close();
        expect(lost.length).toBeLessThanOrEqual(1);
        for (const { code, advice } of [...lost, ...invalid]) {
          expect(code).toMatch(/^HUB_/);
          expect(advice).toMatch(/\.$/);
        }
        hub.attack = () => undefined;
        const { answers } = hub;
        const next = await dial(hub);
        await waitFor('the answer to the good call', () => hub.answers > answers);
        await next.connection.close();
        expect(next.lost).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  } finally {
    await hub.stop();
  }
}, 300_000);
