import { type TLSSocket, createServer } from 'node:tls';
import type { Server as HttpServer } from 'node:http';
import type { ServerIdentity } from '../pki/certificates';
import { HubConnection } from './connection';
import type { HubContext } from './hub-context';

const HANDSHAKE_TIMEOUT_MS = 20_000;
const FIRST_BYTE_TIMEOUT_MS = 30_000;
/** "G" of GET; in MQTT 3.1.1 it would be a PUBACK with reserved flags, which no client starts with. */
const FIRST_BYTE_OF_GET = 0x47;

/**
 * The TLS server of all hubs. One port serves MQTT and, for those who start with an HTTP request, whatever `http`
 * serves (MQTT over WebSockets): the first byte tells them apart.
 */
export function createHubServer(identity: ServerIdentity, context: HubContext, http: HttpServer) {
  const server = createServer(
    {
      key: identity.key,
      cert: identity.cert,
      minVersion: 'TLSv1.2',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    (socket: TLSSocket) => {
      socket.setNoDelay(true);
      const tooLate = setTimeout(() => socket.destroy(), FIRST_BYTE_TIMEOUT_MS);
      const gone = (): void => clearTimeout(tooLate);
      socket.once('close', gone);
      // A socket that breaks before its first byte has nobody else who listens.
      socket.on('error', () => socket.destroy());
      socket.once('readable', () => {
        clearTimeout(tooLate);
        const first = socket.read() as Buffer | null;
        if (first === null) {
          socket.destroy();
          return;
        }
        socket.unshift(first);
        if (first[0] === FIRST_BYTE_OF_GET) http.emit('connection', socket);
        else context.connections.add(new HubConnection(socket, context));
      });
    },
  );
  return server;
}
