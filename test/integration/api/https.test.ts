import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { httpsCall } from '../../../src/common/http/request';
import { DEFAULT_PASSWORD } from '../../../src/protocol/api-types';
import { STRONG_PASSWORD, type TestApi, testApi } from '../../support/api';
import { withTempFolder } from '../../support/temp';

async function withServer(run: (port: number, pin: string, api: TestApi) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    const port = await api.listen();
    try {
      await run(port, api.management.tlsKeySha256, api);
    } finally {
      await api.close();
    }
  });
}

test('a pinned client logs in, changes the password and reads the device over HTTPS', async () => {
  await withServer(async (port, pinnedKey) => {
    const call = async (method: 'GET' | 'PUT' | 'POST', path: string, token = '', body?: object) =>
      httpsCall({
        host: '127.0.0.1',
        port,
        method,
        path: `/api/v1${path}`,
        pinnedKey,
        timeoutMs: 10_000,
        headers: token === '' ? {} : { Authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { body }),
      });
    const login = async (password: string): Promise<string> => {
      const { text } = await call('POST', '/auth', '', { acceptEULA: true, name: 'admin', password });
      return (JSON.parse(text) as { data: { token: string } }).data.token;
    };
    const first = await login(DEFAULT_PASSWORD);
    expect((await call('GET', '/device/general', first)).status).toBe(403);
    const change = await call('PUT', '/users/me/password', first, { newPassword: STRONG_PASSWORD });
    expect(change.status).toBe(200);
    const general = await call('GET', '/device/general', await login(STRONG_PASSWORD));
    expect(general.status).toBe(200);
    expect(JSON.parse(general.text)).toMatchObject({ data: { serialNumber: 'TAICB1046771' } });
  });
});

test('TLS below 1.2 is refused', async () => {
  await withServer(async (port) => {
    const code = await new Promise<string>((resolve) => {
      const socket = connectTls({
        host: '127.0.0.1',
        port,
        rejectUnauthorized: false,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      socket.once('secureConnect', () => resolve('connected'));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    expect(code).toMatch(/ERR_SSL|ECONNRESET|EPROTO/);
  });
});

test('plain HTTP and noise on the HTTPS port disturb nobody', async () => {
  await withServer(async (port, pinnedKey) => {
    for (const noise of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', '\0\0\0\0', 'x'.repeat(20_000)]) {
      await new Promise<void>((resolve) => {
        const socket = connectTcp(port, '127.0.0.1', () => socket.end(noise));
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
        socket.resume();
      });
    }
    const path = '/api/v1/health';
    const health = await httpsCall({
      host: '127.0.0.1',
      port,
      method: 'GET',
      path,
      pinnedKey,
      timeoutMs: 5000,
    });
    expect(health.status).toBe(200);
  });
});

test('what the HTTP parser refuses is answered in the envelope', async () => {
  await withServer(async (port) => {
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () =>
        socket.write('GET /api/v1/health HTTP/1.1\r\nBad Header\r\n\r\n'),
      );
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('error', reject);
      socket.on('end', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toEqual({
      error: { code: 400, message: 'bad request' },
    });
  });
});
