import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { createLogger } from '../../../src/common/logger';
import { Counters } from '../../../src/emulator/admin/counters';
import { Faults } from '../../../src/emulator/faults/faults';
import { HubConnection } from '../../../src/emulator/hub/connection';
import { DeviceRecord } from '../../../src/emulator/hub/device-record';
import { Hub } from '../../../src/emulator/hub/hub';
import type { HubContext } from '../../../src/emulator/hub/hub-context';
import { TelemetryLog } from '../../../src/emulator/hub/telemetry-log';
import { ServiceClock } from '../../../src/emulator/service-clock';
import { Collection } from '../../../src/emulator/store/collection';
import { sasToken } from '../../support/azure-client';
import { withTempFolder } from '../../support/temp';

const HUB = 'hub.azure-devices.localhost';
const KEY = Buffer.alloc(32, 1);

/** A connection whose other end is the test. */
class Wire extends Duplex {
  override _read(): void {
    // Bytes are pushed by the test.
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

async function withHub(run: (context: HubContext) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const logger = createLogger('fuzz', 'silent');
    const clock = new ServiceClock();
    const devices = await Collection.open(folder, DeviceRecord);
    const hub = new Hub({ hostName: HUB, policy: { name: 'p', key: 'AAAA' } }, devices, clock, logger);
    await hub.ensureDevice('dev', { primaryKey: KEY.toString('base64') });
    await run({
      hubs: new Map([[HUB, hub]]),
      clock,
      faults: new Faults(),
      counters: new Counters(),
      telemetry: new TelemetryLog(),
      logger,
      connections: new Set(),
    });
  });
}

const connect = generate({
  cmd: 'connect',
  clientId: 'dev',
  keepalive: 60,
  username: `${HUB}/dev/?api-version=2021-04-12`,
  password: Buffer.from(sasToken(`${HUB}/devices/dev`, KEY)),
});
const goodPackets = [
  generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$iothub/twin/res/#', qos: 0 }] }),
  generate({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['$iothub/twin/res/#'] }),
  ...['devices/dev/messages/events/a=b', '$iothub/twin/GET/?$rid=1', '$iothub/methods/res/200/?$rid=1'].map(
    (topic) =>
      generate({
        cmd: 'publish',
        topic,
        payload: '{"a":1}',
        qos: 1,
        messageId: 3,
        dup: false,
        retain: false,
      }),
  ),
  generate({ cmd: 'puback', messageId: 9 }),
  generate({ cmd: 'pingreq' }),
];

/** A good packet with some bytes replaced, some cut and some added. */
const spoiled = fc
  .record({
    packet: fc.constantFrom(connect, ...goodPackets),
    changes: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
    cut: fc.option(fc.nat()),
    tail: fc.uint8Array({ maxLength: 8 }),
  })
  .map(({ packet, changes, cut, tail }) => {
    const bytes = Buffer.from(packet);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    const kept = cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
    return Buffer.concat([kept, tail]);
  });

test('whatever bytes a connection sends, nothing is thrown and it can be closed', async () => {
  await withHub(async (context) => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(spoiled, { maxLength: 5 }), async (begin, chunks) => {
        const wire = new Wire();
        const connection = new HubConnection(wire, context);
        if (begin) wire.push(connect);
        await new Promise(setImmediate);
        for (const chunk of chunks) {
          if (!wire.destroyed) wire.push(chunk);
          await new Promise(setImmediate);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
        connection.close('end of the test');
        expect(wire.destroyed).toBe(true);
      }),
      { numRuns: 1500 },
    );
    expect(context.connections.size).toBe(0);
    expect(context.hubs.get(HUB)?.connectedCount).toBe(0);
  });
});
