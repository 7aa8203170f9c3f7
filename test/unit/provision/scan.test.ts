import { type Socket, createSocket } from 'node:dgram';
import { type Answer, decodeProbe, encodeAnswer } from '../../../src/protocol/discovery';
import { Scan } from '../../../src/provision/discovery/scan';

let socket: Socket;
beforeEach(async () => {
  socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', () => resolve()));
});
afterEach(() => new Promise<void>((resolve) => socket.close(() => resolve())));

function answer(nonce: string, change: Partial<Answer> = {}): Answer {
  return {
    tpe: 1,
    type: 'answer',
    nonce,
    deviceId: 'one',
    serialNumber: 'TAICB1046771',
    mac: '0090e8000001',
    modelName: 'UC',
    firmwareVersion: '1',
    address: '10.9.9.9',
    port: 8443,
    apiBase: '/api/v1',
    keySha256: `${'A'.repeat(43)}=`,
    ...change,
  };
}

/** Lets `reply` answer every probe and scans. */
async function scan(reply: (nonce: string, send: (datagram: Uint8Array) => void) => void, broadcast = false) {
  socket.on('message', (datagram, source) => {
    const probe = decodeProbe(datagram);
    if (probe !== undefined) reply(probe.nonce, (bytes) => socket.send(bytes, source.port, source.address));
  });
  const { port } = socket.address();
  const targets = [{ address: '127.0.0.1', port, family: 4 as const, broadcast }];
  const running = new Scan({ targets, durationMs: 600, rounds: 2 });
  const gateways = await running.run();
  return { gateways, dropped: running.dropped };
}

test('a gateway that answers every probe is found once, at the address the answer came from', async () => {
  const { gateways } = await scan((nonce, send) => send(encodeAnswer(answer(nonce))), true);
  expect(gateways).toMatchObject([{ deviceId: 'one', address: '127.0.0.1' }]);
});

test.each([
  ['replayed with an old nonce', () => encodeAnswer(answer('AAAAAAAAAAAAAAAAAAAAAA=='))],
  ['oversized', (nonce: string) => Buffer.concat([encodeAnswer(answer(nonce)), Buffer.alloc(1500, 0x20)])],
  ['not JSON', () => Buffer.from('garbage')],
  ['empty', () => Buffer.alloc(0)],
  ['of another version', (nonce: string) => encodeAnswer({ ...answer(nonce), tpe: 2 as never })],
  [
    'with a control character in its serial',
    (nonce: string) => encodeAnswer(answer(nonce, { serialNumber: 'A\u001b[2J' })),
  ],
])('an answer that is %s is not believed', async (_what, make) => {
  const { gateways } = await scan((nonce, send) => send(make(nonce)), true);
  expect(gateways).toEqual([]);
});

test('a flood of invented gateways from one address is bounded and told', async () => {
  const { gateways, dropped } = await scan((nonce, send) => {
    for (let n = 0; n < 2000; n += 1) {
      send(encodeAnswer(answer(nonce, { deviceId: `rogue-${n}`, serialNumber: `TAICB${n}` })));
    }
  }, true);
  expect(gateways).toHaveLength(64);
  expect(dropped).toBeGreaterThan(0);
});

test('many gateways behind one address, each answering every round, are no flood', async () => {
  const { gateways, dropped } = await scan((nonce, send) => {
    for (let n = 0; n < 64; n += 1) {
      send(encodeAnswer(answer(nonce, { deviceId: `gateway-${n}`, serialNumber: `TAICB${n}` })));
    }
  }, true);
  expect(gateways).toHaveLength(64);
  expect(dropped).toBe(0);
});

test('ten thousand invented serial numbers from one address do not hide the gateway at another', async () => {
  const real = createSocket('udp4');
  let late: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => real.bind(0, '127.0.0.2', () => resolve()));
  real.on('message', (datagram, source) => {
    const nonce = decodeProbe(datagram)?.nonce ?? '';
    // Late, when the flood has long begun.
    late = setTimeout(() => real.send(encodeAnswer(answer(nonce)), source.port, source.address), 200);
  });
  socket.on('message', (datagram, source) => {
    const nonce = decodeProbe(datagram)?.nonce ?? '';
    for (let n = 0; n < 10_000; n += 1) {
      const rogue = answer(nonce, { deviceId: `rogue-${n}`, serialNumber: `TAICB${n}` });
      socket.send(encodeAnswer(rogue), source.port, source.address);
    }
  });
  const targets = [socket, real].map((to) => {
    const { address, port } = to.address();
    return { address, port, family: 4 as const, broadcast: true };
  });
  const found = new AbortController();
  const onFound = ({ deviceId }: { deviceId: string }): void => {
    if (deviceId === 'one') found.abort();
  };
  const gateways = await new Scan({ targets, durationMs: 20_000, signal: found.signal, onFound }).run();
  clearTimeout(late);
  real.close();
  expect(gateways.filter(({ address }) => address === '127.0.0.1').length).toBeLessThanOrEqual(64);
  expect(gateways.filter(({ deviceId }) => deviceId === 'one')).toMatchObject([{ address: '127.0.0.2' }]);
});

test('a forged answer with the device id of another gateway does not hide it', async () => {
  const { gateways } = await scan((nonce, send) => {
    send(encodeAnswer(answer(nonce, { keySha256: `${'B'.repeat(43)}=` })));
    send(encodeAnswer(answer(nonce)));
  }, true);
  expect(gateways.map(({ keySha256 }) => keySha256[0])).toEqual(['B', 'A']);
});

test('a scan of named addresses ends when all have answered', async () => {
  const started = performance.now();
  await scan((nonce, send) => send(encodeAnswer(answer(nonce))));
  expect(performance.now() - started).toBeLessThan(550);
});

test('an address that cannot be sent to is told once', async () => {
  const problems: string[] = [];
  const targets = [{ address: '127.0.0.1', port: 9, family: 4 as const, from: '203.0.113.1' }];
  await new Scan({ targets, durationMs: 50, onProblem: (_target, reason) => problems.push(reason) }).run();
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain('EADDRNOTAVAIL');
});
