import { connect } from 'node:tls';
import { WebSocket } from 'ws';
import { httpsCall } from '../../../src/common/http/request';
import { type TestEmulator, startEmulator } from '../../support/emulator';

let emulator: TestEmulator;
beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(async () => {
  await emulator.end();
});

/** How the hub answered an upgrade: the chosen protocol, or a status. */
async function upgrade(path: string, protocols: string[]): Promise<string> {
  const socket = new WebSocket(`wss://localhost:${emulator.hubPort}${path}`, protocols, { ca: emulator.ca });
  return await new Promise((resolve, reject) => {
    socket.once('open', () => {
      resolve(socket.protocol);
      socket.terminate();
    });
    socket.once('unexpected-response', (_request, response) => resolve(String(response.statusCode)));
    socket.once('error', (error) => reject(error));
  });
}

test.each(['/$iothub/websocket', '/%24iothub/websocket', '/$iothub/websocket?iothub-no-client-cert=true'])(
  'MQTT is spoken at %s',
  async (path) => {
    expect(await upgrade(path, ['mqtt'])).toBe('mqtt');
  },
);

test.each(['/', '/other', '/%zz'])('an upgrade at %s: 404', async (path) => {
  expect(await upgrade(path, ['mqtt'])).toBe('404');
});

test('a plain HTTP request to the hub port: 404', async () => {
  const { hubPort: port, ca } = emulator;
  const answer = await httpsCall({ host: 'localhost', port, ca, path: '/', method: 'GET', timeoutMs: 5000 });
  expect(answer.status).toBe(404);
});

test.each([
  ['a request that never ends', 'GET / HTTP/1.1\r\nX: '],
  ['half an upgrade', 'GET /$iothub/websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n'],
  ['no HTTP', 'GARBAGE\r\n\r\n'],
])('%s does not disturb others', async (_what, text) => {
  const socket = connect({ host: 'localhost', port: emulator.hubPort, ca: emulator.ca });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  socket.on('error', () => undefined);
  socket.write(text);
  expect(await upgrade('/$iothub/websocket', ['mqtt'])).toBe('mqtt');
  socket.destroy();
});

test('frames that are no MQTT end the connection', async () => {
  const url = `wss://localhost:${emulator.hubPort}/$iothub/websocket`;
  const socket = new WebSocket(url, ['mqtt'], { ca: emulator.ca });
  await new Promise((resolve) => socket.once('open', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  socket.send('hello');
  await closed;
});
