import { type AddressInfo, createServer } from 'node:net';
import { withApi } from '../../support/api';
import { RawHttps } from '../../support/raw-https';

test('a change of ports that fails half-way changes nothing', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const httpPort = (taken.address() as AddressInfo).port;
  const httpsPort = (free.address() as AddressInfo).port;
  await new Promise<void>((resolve) => free.close(() => resolve()));
  try {
    await withApi(async (api) => {
      const port = await api.listen();
      const before = await api.data('GET', '/system/httpserver');
      const answer = await api.call('PATCH', '/system/httpserver', { httpEnable: true, httpPort, httpsPort });
      expect(answer).toMatchObject({ body: { error: { id: 'API_LISTEN_FAILED' } } });
      expect(await api.data('GET', '/system/httpserver')).toEqual(before);
      (await RawHttps.open(port)).end();
      await expect(RawHttps.open(httpsPort)).rejects.toThrow();
    });
  } finally {
    taken.close();
  }
});
