import { type ChildProcess, spawn } from 'node:child_process';
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Discovery } from '../../../src/agent/discovery/discovery';
import { DiscoveryResponder, type ResponderOptions } from '../../../src/agent/discovery/responder';
import { listInterfaces } from '../../../src/agent/device/interfaces';
import { createLogger } from '../../../src/common/logger';
import { decodeAnswer, encodeProbe } from '../../../src/protocol/discovery';
import { IDENTITY } from '../../support/api';
import { FakeClock } from '../../support/fake-clock';
import { bundle } from '../../support/killed';
import { NetworkLab } from '../../support/network-lab';
import { withTempFolder } from '../../support/temp';
import { waitFor } from '../../support/wait';

const logger = createLogger('test', 'silent');
const keySha256 = `${'A'.repeat(43)}=`;

function responderWith(more: Partial<ResponderOptions> = {}): DiscoveryResponder {
  return new DiscoveryResponder({
    identity: IDENTITY,
    port: 0,
    address: '127.0.0.1',
    endpoint: () => ({ port: 8443, keySha256 }),
    interfaces: listInterfaces,
    clock: new FakeClock(),
    logger,
    ...more,
  });
}

async function client(): Promise<{ socket: Socket; answers: Buffer[] }> {
  const socket = createSocket('udp4');
  const answers: Buffer[] = [];
  socket.on('message', (datagram) => answers.push(datagram));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { socket, answers };
}

test('a probe is answered to its sender with its nonce, and never with more bytes than it had', async () => {
  const responder = responderWith();
  await responder.start();
  const { socket, answers } = await client();
  const { nonce, datagram } = encodeProbe();
  socket.send(datagram, responder.port ?? 0, '127.0.0.1');
  await waitFor('an answer', () => answers.length === 1);
  expect(answers[0]!.length).toBeLessThanOrEqual(datagram.length);
  expect(decodeAnswer(answers[0]!)).toEqual({
    tpe: 1,
    type: 'answer',
    nonce,
    ...IDENTITY,
    address: '127.0.0.1',
    port: 8443,
    apiBase: '/api/v1',
    keySha256,
  });
  socket.close();
  await responder.stop();
});

test('what is no probe gets no answer, and the next probe still does', async () => {
  const responder = responderWith();
  await responder.start();
  const { socket, answers } = await client();
  const { datagram } = encodeProbe();
  const other = (edit: (probe: Record<string, unknown>) => void): Buffer => {
    const probe = JSON.parse(datagram.toString()) as Record<string, unknown>;
    edit(probe);
    return Buffer.from(JSON.stringify(probe).padEnd(1024, ' '));
  };
  const strangers = [
    Buffer.alloc(0),
    Buffer.alloc(1024, 'x'),
    datagram.subarray(0, 511),
    Buffer.alloc(60_000, ' '),
    other((probe) => (probe['tpe'] = 2)),
    other((probe) => (probe['nonce'] = 'short')),
    other((probe) => delete probe['type']),
    Buffer.from('['.repeat(1400)),
  ];
  for (const stranger of strangers) socket.send(stranger, responder.port ?? 0, '127.0.0.1');
  socket.send(datagram, responder.port ?? 0, '127.0.0.1');
  await waitFor('an answer', () => answers.length > 0);
  expect(answers).toHaveLength(1);
  await waitFor('all counted', () => responder.counters.received === strangers.length + 1);
  expect(responder.counters).toEqual({ received: 9, answered: 1, invalid: 8, limited: 0 });
  socket.close();
  await responder.stop();
});

test('a sender that asks too often is answered at the rate of its bucket', async () => {
  const clock = new FakeClock();
  const rate = { perSecond: 1, burst: 3 };
  const responder = responderWith({ clock, limits: { perSource: rate, total: rate, largestTable: 4 } });
  await responder.start();
  const { socket, answers } = await client();
  const { datagram } = encodeProbe();
  for (let i = 0; i < 50; i += 1) socket.send(datagram, responder.port ?? 0, '127.0.0.1');
  await waitFor('all received', () => responder.counters.received === 50);
  await waitFor('three answers', () => answers.length === 3);
  expect(responder.counters.limited).toBe(47);
  clock.advance(1000);
  socket.send(datagram, responder.port ?? 0, '127.0.0.1');
  await waitFor('the fourth answer', () => answers.length === 4);
  socket.close();
  await responder.stop();
});

test('without an address there is a socket on every interface, and loopback answers on IPv4 and IPv6', async () => {
  const responder = responderWith({ address: undefined });
  await responder.start();
  for (const [type, address] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const socket = createSocket(type);
    const answers: Buffer[] = [];
    socket.on('message', (datagram) => answers.push(datagram));
    await new Promise<void>((resolve) => socket.bind(0, address, resolve));
    socket.send(encodeProbe().datagram, responder.port ?? 0, address);
    await waitFor(`an answer from ${address}`, () => answers.length === 1);
    expect(decodeAnswer(answers[0]!)).toMatchObject({ address, deviceId: IDENTITY.deviceId });
    socket.close();
  }
  await responder.stop();
});

test('a port that is taken is an error with advice', async () => {
  const first = responderWith();
  await first.start();
  const second = responderWith({ port: first.port ?? 0 });
  await expect(second.start()).rejects.toMatchObject({ code: 'DISCOVERY_PORT_UNUSABLE' });
  await first.stop();
});

describe('the stored switch', () => {
  const openIn = async (stateFolder: string, clock = new FakeClock()) => {
    await mkdir(stateFolder, { recursive: true });
    const responder = responderWith({ clock });
    return { responder, clock, discovery: await Discovery.open({ stateFolder, responder, clock, logger }) };
  };

  test('off survives a restart', async () => {
    await withTempFolder(async (folder) => {
      const { discovery, responder } = await openIn(folder);
      await discovery.start();
      expect(responder.running).toBe(true);
      await discovery.setEnabled(false);
      expect(responder.running).toBe(false);
      const again = await openIn(folder);
      await again.discovery.start();
      expect(again.responder.running).toBe(false);
    });
  });

  test('it stays on until the first connection and closes when its window ends', async () => {
    await withTempFolder(async (folder) => {
      const { discovery, responder, clock } = await openIn(folder);
      await discovery.start();
      clock.advance(24 * 3_600_000);
      expect(discovery.enabled).toBe(true);
      await discovery.connected();
      clock.advance(899_000);
      expect(responder.running).toBe(true);
      clock.advance(1000);
      await waitFor('the end of the window', () => !responder.running);
      const again = await openIn(folder);
      await again.discovery.start();
      expect(again.discovery.enabled).toBe(false);
      await again.discovery.setEnabled(true);
      expect(again.responder.running).toBe(true);
      again.clock.advance(900_000);
      await waitFor('the end of the second window', () => !again.responder.running);
    });
  });

  test('damaged settings keep it off', async () => {
    await withTempFolder(async (folder) => {
      for (const name of ['discovery.json', 'discovery.json.twin'])
        await writeFile(join(folder, name), '{"for');
      const { discovery, responder } = await openIn(folder);
      await discovery.start();
      expect(discovery.enabled).toBe(false);
      expect(responder.running).toBe(false);
    });
  });
});

test('discovery that is switched off while it looks for new interfaces stays off', async () => {
  const responder = responderWith({ address: undefined, only: [] });
  // Sockets are opened one after the other; stopping falls in between.
  const starting = responder.start();
  await Promise.all([responder.stop(), starting]);
  expect(responder.running).toBe(false);
});

test('two starts at once open one socket, and a stop between them closes what was opened', async () => {
  const first = responderWith();
  await first.start();
  const port = first.port ?? 0;
  await first.stop();
  const responder = responderWith({ port });
  // A second socket on the port would be refused.
  await Promise.all([responder.start(), responder.start()]);
  expect(responder.port).toBe(port);
  await responder.stop();
  const starting = responder.start();
  await responder.stop();
  await starting;
  await responder.start();
  expect(responder.port).toBe(port);
  await responder.stop();
  expect(responder.running).toBe(false);
});

test('a kernel that does not list its interfaces for a while ends nothing', async () => {
  const clock = new FakeClock();
  let failing = false;
  let asked = 0;
  const responder = responderWith({
    address: undefined,
    clock,
    interfaces: () => {
      asked += 1;
      if (failing) throw new Error('EMFILE');
      return listInterfaces();
    },
  });
  await responder.start();
  failing = true;
  const before = asked;
  clock.advance(15_000);
  await waitFor('the next look', () => asked > before && clock.timers > 0);
  const { socket, answers } = await client();
  socket.send(encodeProbe().datagram, responder.port ?? 0, '127.0.0.1');
  await waitFor('an answer', () => answers.length === 1);
  clock.advance(15_000);
  await waitFor('the look after that', () => asked > before + 1);
  socket.close();
  await responder.stop();
});

test('an interface that goes while an answer waits takes the answer with it, and nothing else', async () => {
  await withTempFolder(async (folder) => {
    const root = join(__dirname, '../../..');
    const program = bundle(join(root, 'test/support/unplugged-responder.ts'), join(folder, 'responder.cjs'));
    await copyFile(join(root, 'dist/tpe_system.node'), join(folder, 'tpe_system.node'));
    const lab = await NetworkLab.open();
    let responder: ChildProcess | undefined;
    try {
      await lab.bridge('plant');
      await lab.host('gateway', 'plant', '10.77.1.1/24');
      await lab.host('laptop', 'plant', '10.77.1.2/24');
      const [command, ...args] = [...lab.on('gateway'), process.execPath, program, 'eth0'];
      responder = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      let [said, failed] = ['', ''];
      responder.stdout?.on('data', (text: Buffer) => (said += text.toString()));
      responder.stderr?.on('data', (text: Buffer) => (failed += text.toString()));
      await waitFor('the responder', () => said.includes('\n') || failed !== '', 10_000);
      const send = `const socket = require('node:dgram').createSocket('udp4');
        const probe = Buffer.from(process.argv[1], 'base64');
        socket.send(probe, ${said.trim()}, '10.77.1.1', () => socket.close());`;
      const probe = encodeProbe().datagram.toString('base64');
      await lab.command([...lab.on('laptop'), process.execPath, '-e', send, probe]);
      if (responder.exitCode === null) await once(responder, 'exit');
      expect([failed, said.split('\n')[1], responder.exitCode]).toEqual(['', 'answered 0, invalid 0', 0]);
    } finally {
      responder?.kill('SIGKILL');
      await lab.close();
    }
  });
}, 60_000);
