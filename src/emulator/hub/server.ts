import { type TLSSocket, createServer } from 'node:tls';
import type { Server as HttpServer } from 'node:http';
import type { ServerIdentity } from '../pki/certificates';
import { HubConnection } from './connection';
import type { HubContext } from './hub-context';

const HANDSHAKE_TIMEOUT_MS = 20_000;
const FIRST_BYTE_TIMEOUT_MS = 30_000;
/** Fixed header of CONNECT (MQTT 3.1.1, 3.1.1). */
const MQTT_CONNECT = 0x10;

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
        if (first[0] === MQTT_CONNECT) context.connections.add(new HubConnection(socket, context));
        else http.emit('connection', socket);
      });
    },
  );
  return server;
}
