import type { HostControl } from '../../../src/agent/services/helper-client';
import { TpeError } from '../../../src/common/errors/tpe-error';
import { withApi } from '../../support/api';
import { RawHttps, requestText } from '../../support/raw-https';
import { waitFor } from '../../support/wait';

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

test('a client that reads none of its answers does not fill the memory', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    const raw = await RawHttps.open(port);
    raw.socket.pause();
    const text = requestText('GET', '/api/v1/openapi.json', { Authorization: `Bearer ${api.token}` });
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 2000 && !raw.closed; i += 1) raw.write(text);
    // Everybody else is answered meanwhile.
    const other = await RawHttps.open(port);
    for (let i = 0; i < 50; i += 1) expect((await other.ask(general(api.token)))?.status).toBe(200);
    // 2,000 answers of more than 50 kB would be 100 MB.
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
    raw.end();
    other.end();
  });
});
