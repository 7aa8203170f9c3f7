import { constants } from 'node:crypto';
import type { RequestListener, Server as HttpServer } from 'node:http';
import { type Server as HttpsServer, type ServerOptions, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { TlsKeys } from './own-certificate';
import { refuseMalformed } from './plugins/errors';

const REQUEST_TIMEOUT_MS = 15_000;
const HEADERS_TIMEOUT_MS = 8000;
const HANDSHAKE_TIMEOUT_MS = 8000;
const KEEP_ALIVE_MS = 10_000;
const REQUESTS_PER_CONNECTION = 10_000;

/** What TLS is spoken with. */
export function secureContext({ cert, key }: TlsKeys): ServerOptions {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    // No client of ours renegotiates; in TLS 1.2 it is much work for the server and none for whoever asks.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** A server that gives up on slow clients, and does not listen yet. */
export function httpsServer(routing: RequestListener, keys: TlsKeys): HttpsServer {
  const server = createServer(
    {
      ...secureContext(keys),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: 16_384,
      connectionsCheckingInterval: 2000,
    },
    routing,
  );
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
  server.on('clientError', refuseMalformed);
  return server;
}

/** @returns the port. @throws API_LISTEN_FAILED */
export async function listen(
  server: HttpServer | HttpsServer,
  address: string,
  port: number,
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new TpeError('API_LISTEN_FAILED', { address, port, reason: reasonOf(error) }, { cause: error })),
    );
    // Named, `::` is looked up like a host, and fails where the kernel has no IPv6; unnamed, 0.0.0.0 takes its place then.
    const host = address === '::' ? {} : { host: address };
    server.listen({ ...host, port, backlog: 256 }, () => resolve());
  });
  return (server.address() as AddressInfo).port;
}

/** Resolves when the last connection is closed, which is a second later at most. */
export async function close(server: HttpServer | HttpsServer): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // Whoever is still in a request has had the time that a request may take.
    setTimeout(() => server.closeAllConnections(), 1000).unref();
  });
}
