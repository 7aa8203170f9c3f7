import { X509Certificate } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { Agent, createServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { type HttpsCall, httpsCall, spkiSha256 } from '../../src/common/http/request';
import { selfSigned } from '../support/certificates';
import { withTempFolder } from '../support/temp';

type Call = Omit<HttpsCall, 'host' | 'port' | 'method' | 'path' | 'timeoutMs'> & Partial<HttpsCall>;
interface Server {
  cert: string;
  call: (call?: Call) => ReturnType<typeof httpsCall>;
  requests: () => number;
}

async function withServer(listener: RequestListener, run: (server: Server) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const { key, cert } = selfSigned(folder);
    let requests = 0;
    const server = createServer({ key, cert }, (request, response) => {
      requests += 1;
      listener(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await run({
        cert,
        requests: () => requests,
        call: (call = {}) =>
          httpsCall({
            host: '127.0.0.1',
            port,
            method: 'GET',
            path: '/x?secret=1',
            timeoutMs: 20_000,
            ...call,
          }),
      });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
}

describe('an HTTPS call', () => {
  it('is made over the connection that it had to wait for', () =>
    withServer(
      (_request, response) => response.end('ok'),
      async ({ call, cert }) => {
        const agent = new Agent({ keepAlive: true, maxSockets: 2, ca: cert });
        const calls = Array.from({ length: 12 }, () => call({ ca: cert, agent, timeoutMs: 10_000 }));
        expect((await Promise.all(calls)).map(({ text }) => text)).toEqual(Array(12).fill('ok'));
        agent.destroy();
      },
    ));

  it('brings status, headers and body, whatever the status', () =>
    withServer(
      (request, response) => {
        response.writeHead(429, { 'retry-after': '3', 'x-method': request.method });
        request.pipe(response);
      },
      async ({ call, cert }) => {
        const answer = await call({ ca: cert, method: 'PUT', body: { a: 1 } });
        expect(answer).toMatchObject({ status: 429, text: '{"a":1}' });
        expect(answer.headers).toMatchObject({ 'retry-after': '3', 'x-method': 'PUT' });
      },
    ));

  it('refuses a certificate that no trusted authority signed', () =>
    withServer(
      (_, response) => response.end(),
      async ({ call, requests }) => {
        await expect(call()).rejects.toMatchObject({ code: 'HTTP_TLS_REFUSED' });
        expect(requests()).toBe(0);
      },
    ));

  it('believes a pinned key instead of a chain, and no other key; a refused server never sees the request', () =>
    withServer(
      (_, response) => response.end('ok'),
      async ({ call, cert, requests }) => {
        const pinnedKey = spkiSha256(new X509Certificate(cert));
        expect(await call({ pinnedKey })).toMatchObject({ text: 'ok', serverKey: pinnedKey });
        const other = Buffer.alloc(32, 7).toString('base64');
        const refused = call({ pinnedKey: other, method: 'POST', body: { password: 'secret' } });
        await expect(refused).rejects.toMatchObject({
          code: 'HTTP_PIN_MISMATCH',
          details: { actual: pinnedKey },
        });
        expect(requests()).toBe(1);
      },
    ));

  it('tells the key when it is asked to believe any, once', () =>
    withServer(
      (_, response) => response.end(),
      async ({ call, cert }) => {
        expect((await call({ anyKey: true })).serverKey).toBe(spkiSha256(new X509Certificate(cert)));
      },
    ));

  it('ends a call that nobody answers, without the query in its message', () =>
    withServer(
      () => undefined,
      async ({ call, cert }) => {
        const error = await call({ ca: cert, timeoutMs: 300 }).catch((e: unknown) => e);
        expect(error).toMatchObject({ code: 'HTTP_TIMEOUT' });
        expect(String(error)).not.toContain('secret');
      },
    ));

  it('does not read an answer without end', () =>
    withServer(
      (_, response) => {
        const flood = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536)));
          response.once('drain', flood);
        };
        flood();
      },
      async ({ call, cert }) => {
        await expect(call({ ca: cert, maxBodyBytes: 100_000 })).rejects.toMatchObject({
          code: 'HTTP_BODY_TOO_LARGE',
        });
      },
    ));

  it('tells an answer that is cut off', () =>
    withServer(
      (_, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('half');
        setImmediate(() => response.destroy());
      },
      async ({ call, cert }) => {
        await expect(call({ ca: cert })).rejects.toMatchObject({ code: 'HTTP_UNREACHABLE' });
      },
    ));

  it('tells a server that is not there', async () => {
    const closed = createTcpServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const call = httpsCall({ host: '127.0.0.1', port, method: 'GET', path: '/', timeoutMs: 20_000 });
    await expect(call).rejects.toMatchObject({ code: 'HTTP_UNREACHABLE', retryable: true });
  });

  it('tells a server that does not speak TLS', async () => {
    const plain = createTcpServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .end('220 smtp ready\r\n'),
    );
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    try {
      const call = httpsCall({ host: '127.0.0.1', port, method: 'GET', path: '/', timeoutMs: 20_000 });
      await expect(call).rejects.toMatchObject({ code: 'HTTP_TLS_REFUSED' });
    } finally {
      await new Promise((resolve) => plain.close(resolve));
    }
  });

  it('ends when it is aborted', () =>
    withServer(
      () => undefined,
      async ({ call, cert }) => {
        const abort = new AbortController();
        const waiting = call({ ca: cert, signal: abort.signal });
        abort.abort();
        await expect(waiting).rejects.toMatchObject({ code: 'HTTP_UNREACHABLE' });
      },
    ));
});
