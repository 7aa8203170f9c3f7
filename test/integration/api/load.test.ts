import { get } from 'node:https';
import { type Socket, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { encodeProbe } from '../../../src/protocol/discovery';
import { type TestApi, withApi } from '../../support/api';
import { waitFor } from '../../support/wait';

/** How long passwords are guessed at least. */
const STORM_SECONDS = Number(process.env['TPE_STORM_SECONDS'] ?? 0);

/** Milliseconds of one GET /health from a loopback address of its own; fails after 5 s. */
async function health(port: number, from = '127.0.0.2'): Promise<number> {
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    const request = get(
      {
        host: '127.0.0.1',
        port,
        path: '/api/v1/health',
        localAddress: from,
        rejectUnauthorized: false,
        agent: false,
      },
      (response) => {
        response.resume();
        response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error('not 200'))));
      },
    );
    request.setTimeout(5000, () => request.destroy(new Error('no answer within 5 s')));
    request.on('error', reject);
  });
  return performance.now() - start;
}

async function p95(port: number, count: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) times.push(await health(port));
  return times.sort((a, b) => a - b)[Math.floor(count * 0.95)] ?? Infinity;
}

function hang(socket: Socket, ended: () => void): void {
  socket.on('error', () => undefined);
  socket.on('close', ended);
  socket.resume();
}

test('a thousand connections from one address leave the API to the others', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    let ended = 0;
    const sockets: Socket[] = [];
    // No faster than they are accepted: what overflows the kernel's queue never reaches the agent.
    while (sockets.length < 1000) {
      const batch = Array.from({ length: 100 }, () => connect(port, '127.0.0.1'));
      for (const socket of batch) hang(socket, () => (ended += 1));
      sockets.push(...batch);
      await waitFor('the batch to be accepted', () => ended >= sockets.length - 64);
    }
    expect(await health(port)).toBeLessThan(5000);
    for (const socket of sockets) socket.destroy();
    await waitFor('all to be gone', () => ended === 1000);
    expect(await health(port, '127.0.0.1')).toBeLessThan(5000);
  });
});

test('slow-loris clients are cut off, and nobody waits for them', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    let ended = 0;
    const dripping = Array.from({ length: 40 }, () => {
      const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
        socket.write('GET /api/v1/health HTTP/1.1\r\nHost: x\r\n');
      });
      hang(socket, () => (ended += 1));
      return socket;
    });
    const drip = setInterval(() => {
      for (const socket of dripping) if (!socket.destroyed) socket.write('X-Slow: 1\r\n');
    }, 500);
    expect(await p95(port, 20)).toBeLessThan(2000);
    await waitFor('all to be cut off', () => ended === dripping.length, 30_000);
    clearInterval(drip);
  });
});

test('a body that never ends is cut off, one that is too large is refused', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    const answers = await Promise.all(
      [
        'POST /api/v1/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
        `POST /api/v1/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\n\r\n${'x'.repeat(5000)}`,
        `GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      ].map(
        async (text) =>
          new Promise<string>((resolve) => {
            let answer = '';
            const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () =>
              socket.write(text),
            );
            socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
            hang(socket, () => resolve(answer.split('\r\n')[0] ?? ''));
          }),
      ),
    );
    expect(answers).toEqual([
      'HTTP/1.1 408 Request Timeout',
      'HTTP/1.1 413 Payload Too Large',
      'HTTP/1.1 431 Request Header Fields Too Large',
    ]);
  });
});

test(
  'a hundred wrong logins a second leave health and other sessions usable',
  async () => {
    await withApi(async (api: TestApi) => {
      const port = await api.listen();
      const statuses: number[] = [];
      const storm: Promise<unknown>[] = [];
      const timer = setInterval(() => {
        for (let i = 0; i < 10; i += 1) {
          const guess = { name: `user${i}`, password: 'Wrong-4711!' };
          storm.push(
            api.app
              .inject({ method: 'POST', url: '/api/v1/auth', payload: guess })
              .then(({ statusCode }) => statuses.push(statusCode)),
          );
        }
      }, 100);
      const { token } = api;
      const times: number[] = [];
      const end = performance.now() + STORM_SECONDS * 1000;
      while (times.length < 20 || performance.now() < end) {
        times.push(await health(port));
        api.token = token;
        expect((await api.call('GET', '/device/general')).status).toBe(200);
      }
      await waitFor('a storm', () => storm.length >= 200);
      clearInterval(timer);
      await Promise.all(storm);
      expect(new Set(statuses)).toEqual(new Set([401, 423]));
      expect(times.sort((a, b) => a - b)[Math.floor(times.length * 0.9)]).toBeLessThan(2000);
      // What counts the storm has to stay small: one record and one count for each kind.
      expect((await api.management.audit.query({ limit: 1, offset: 0 })).count).toBeLessThan(20);
    });
  },
  STORM_SECONDS * 1000 + 60_000,
);

test('a flood of datagrams leaves the API answering and is answered at the rate of the buckets', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    const target = api.management.responder.port ?? 0;
    const flood = new Worker(
      `const { createSocket } = require('node:dgram');
       const { workerData: { port, probe } } = require('node:worker_threads');
       const socket = createSocket('udp4');
       socket.on('message', () => undefined);
       const burst = () => { for (let i = 0; i < 100; i += 1) socket.send(probe, port, '127.0.0.1'); };
       setInterval(burst, 5);`,
      { eval: true, workerData: { port: target, probe: encodeProbe().datagram } },
    );
    await waitFor('the flood', () => api.management.discovery.counters.received > 2000);
    expect(await p95(port, 40)).toBeLessThan(2000);
    await flood.terminate();
    const { answered, limited, received } = api.management.discovery.counters;
    // The clock of this test stands still, so the buckets never refill.
    expect(answered).toBe(20);
    expect(limited).toBeGreaterThan(received - 100);
  });
});
