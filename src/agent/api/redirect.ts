import { type Server, createServer } from 'node:http';
import { API_PORT } from '../../protocol/api-types';

const HOST = /^(\[[0-9a-fA-F:.%a-z0-9-]+\]|[A-Za-z0-9.-]{1,253})(:\d{1,5})?$/;
const LONGEST_URL = 2048;

/**
 * A plain HTTP server that knows one answer: 308 to the same place over HTTPS. It reads no body and no credentials; a
 * Host header that is none gets a 400, because it would be mirrored into the answer.
 */
export function redirectServer(httpsPort: () => number): Server {
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 5000, headersTimeout: 5000 },
    (request, response) => {
      const host = HOST.exec(request.headers.host ?? '')?.[1];
      const url = request.url ?? '/';
      if (host === undefined || !url.startsWith('/') || url.length > LONGEST_URL) {
        response.writeHead(400, { Connection: 'close' }).end();
        return;
      }
      const port = httpsPort();
      const target = `https://${host}${port === 443 ? '' : `:${port || API_PORT}`}${url}`;
      response.writeHead(308, { Location: target, 'Content-Length': 0, Connection: 'close' }).end();
    },
  );
  server.keepAliveTimeout = 1000;
  server.maxConnections = 64;
  return server;
}
