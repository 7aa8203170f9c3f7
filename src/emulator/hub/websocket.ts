import type { Server as HttpServer } from 'node:http';
import { WebSocketServer, createWebSocketStream } from 'ws';
import { HubConnection, LARGEST_PACKET_BYTES } from './connection';
import type { HubContext } from './hub-context';

/** Where IoT Hub serves MQTT over WebSockets; some clients escape the dollar sign. */
const PATHS = ['/$iothub/websocket', '/%24iothub/websocket'];

/** Lets devices speak MQTT over WebSockets through this HTTP server. */
export function addWebSockets(http: HttpServer, context: HubContext): void {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_PACKET_BYTES,
    handleProtocols: (protocols) => (protocols.has('mqtt') ? 'mqtt' : false),
  });
  http.on('upgrade', (request, socket, head) => {
    if (!PATHS.includes(request.url?.split('?')[0] ?? '')) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      return;
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = createWebSocketStream(webSocket);
      context.connections.add(new HubConnection(stream, context));
    });
  });
}
