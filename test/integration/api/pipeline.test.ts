import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { HostControl } from '../../../src/agent/services/helper-client';
import { TpeError } from '../../../src/common/errors/tpe-error';
import { withApi } from '../../support/api';
import { RawHttps, requestText } from '../../support/raw-https';
import { waitFor } from '../../support/wait';

const REQUESTS = 2000;

const general = (token: string): string =>
  requestText('GET', '/api/v1/device/general', { Authorization: `Bearer ${token}` });

test('clients that ask many things at once and go away leave nothing behind', async () => {
  const waiting: (() => void)[] = [];
  // A helper that takes its time: the requests are under way when their clients go.
  const host: HostControl = {
    request: async ({ verb }) => {
      if (verb === 'getTime') await new Promise<void>((resolve) => waiting.push(resolve));
      throw new TpeError('HOST_HELPER_ABSENT');
    },
  };
  await withApi(
    async (api) => {
      const port = await api.listen();
      const slow = requestText('GET', '/api/v1/device/time', { Authorization: `Bearer ${api.token}` });
      for (let round = 1; round <= 30; round += 1) {
        const raw = await RawHttps.open(port);
        raw.write(slow.repeat(15));
        await waitFor('the requests', () => waiting.length >= 15 * Math.min(round, 16) || raw.closed);
        raw.end();
      }
      for (const go of waiting) go();
      const raw = await RawHttps.open(port);
      await waitFor('an answer', async () => (await raw.ask(general(api.token)))?.status === 200, 5000);
      raw.end();
    },
    { host },
  );
});

test('a pipeline is answered in order', async () => {
  await withApi(async (api) => {
    const raw = await RawHttps.open(await api.listen());
    raw.write(general(api.token).repeat(15) + requestText('GET', '/api/v1/health'));
    for (let i = 0; i < 15; i += 1) expect((await raw.next())?.body).toContain('TAICB1046771');
    expect((await raw.next())?.body).toContain('"status":"ok"');
    raw.end();
  });
});

test('a client that asks on and on and reads none of its answers does not fill the memory', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    const raw = await RawHttps.open(port);
    raw.socket.pause();
    const path = '/api/v1/openapi.json';
    let begun = 0;
    const count = (message: unknown): void => {
      if ((message as { request: { url: string } }).request.url === path) begun += 1;
    };
    subscribe('http.server.request.start', count);
    try {
      const text = requestText('GET', path, { Authorization: `Bearer ${api.token}` });
      const length = Buffer.byteLength((await api.call('GET', '/openapi.json')).text);
      const before = process.memoryUsage().rss;
      for (let i = 0; i < REQUESTS; i += 1) raw.write(text);
      await waitFor('the first one', () => begun > 0);
      // Everybody else is answered meanwhile.
      const other = await RawHttps.open(port);
      for (let i = 0; i < 50; i += 1) expect((await other.ask(general(api.token)))?.status).toBe(200);
      other.end();
      // What was read in one go is begun, and nothing after it. A connection that was closed at once would begin none.
      expect(begun).toBeGreaterThan(10);
      expect(begun).toBeLessThan(REQUESTS / 4);
      // 2,000 answers of 80 kB would be 160 MB.
      expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
      // It reads at last. Node.js cuts such a connection off when TLS has more for a parser that was stopped
      // (HPE_PAUSED); up to there the answers are whole.
      raw.socket.resume();
      let answered = 0;
      for (let one = await raw.next(); one !== undefined && answered < REQUESTS; one = await raw.next()) {
        expect([one.status, one.body.length]).toEqual([200, length]);
        answered += 1;
      }
      expect(answered).toBeGreaterThan(0);
    } finally {
      unsubscribe('http.server.request.start', count);
      raw.end();
    }
  });
});
