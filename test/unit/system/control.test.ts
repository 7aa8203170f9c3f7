import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { type Socket, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ControlHandlers, ControlServer } from '../../../src/agent/system/control';
import { callAgent } from '../../../src/agentctl/control-client';
import { TpeError } from '../../../src/common/errors/tpe-error';
import { createLogger } from '../../../src/common/logger';

let folder: string;
let path: string;
let server: ControlServer | undefined;
const logger = createLogger('test', 'silent');

const handlers: ControlHandlers = {
  status: (args) => Promise.resolve({ echo: args }),
  ek: () => Promise.reject(new TpeError('STATE_IN_USE', { path: '/x', pid: 7 })),
  check: () => Promise.reject(new Error('a defect')),
  factoryReset: () => Promise.resolve(undefined),
};

async function start(): Promise<void> {
  server = new ControlServer(path, handlers, logger);
  await server.start();
}

/** Sends raw bytes and gives back what comes until the server closes. */
function raw(send: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = createConnection(path, () => send(socket));
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-control-'));
  path = join(folder, 'run', 'control.sock');
});

afterEach(async () => {
  await server?.stop();
  server = undefined;
  await rm(folder, { recursive: true });
});

test('answers a verb with its arguments, on a socket that only its owner may use', async () => {
  await start();
  expect(await callAgent(path, 'status', { deep: true })).toEqual({ data: { echo: { deep: true } } });
  expect(await callAgent(path, 'factoryReset')).toEqual({ data: null });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'run'))).mode & 0o777).toBe(0o700);
});

test('an error of the registry arrives with code, advice and details', async () => {
  await start();
  await expect(callAgent(path, 'ek')).rejects.toMatchObject({
    code: 'STATE_IN_USE',
    message: 'Another process (pid 7) uses the state folder /x',
    details: { pid: 7 },
  });
});

test('a defect arrives as INTERNAL, and the server goes on', async () => {
  await start();
  await expect(callAgent(path, 'check')).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(await callAgent(path, 'status')).toEqual({ data: { echo: {} } });
});

test('no agent is told apart from a broken one', async () => {
  expect(await callAgent(path, 'status')).toBeUndefined();
  await start();
  await server?.stop();
  expect(await callAgent(path, 'status')).toBeUndefined();
});

test.each([
  ['not JSON', 'hello\n'],
  ['an unknown verb', '{"verb":"shutdown"}\n'],
  ['a verb that nobody handles here', '{"verb":"factoryInit"}\n'],
  ['an unknown member', '{"verb":"status","more":1}\n'],
  ['arguments that are no object', '{"verb":"status","args":[1]}\n'],
  ['a prototype as verb', '{"verb":"__proto__"}\n'],
  ['a line longer than the limit', `{"verb":"status","args":{"a":"${'x'.repeat(70_000)}"}}\n`],
])('%s is refused', async (_what, text) => {
  await start();
  const answer = JSON.parse(await raw((socket) => socket.write(text))) as {
    ok: boolean;
    error: { code: string };
  };
  expect(answer).toMatchObject({ ok: false, error: { code: 'CONTROL_REQUEST_INVALID' } });
});

test('a request in single bytes is one request', async () => {
  await start();
  const text = await raw((socket) => {
    for (const byte of Buffer.from('{"verb":"status"}\n')) socket.write(Buffer.of(byte));
  });
  expect(JSON.parse(text)).toEqual({ ok: true, data: { echo: {} } });
});

test('a leftover socket file is replaced, a live server is not', async () => {
  await start();
  await expect(new ControlServer(path, handlers, logger).start()).rejects.toMatchObject({
    code: 'CONTROL_LISTEN_FAILED',
    details: { reason: 'another process listens there' },
  });
  await server?.stop();
  await writeFile(path, 'left behind');
  await start();
  expect(await callAgent(path, 'status')).toEqual({ data: { echo: {} } });
});

test('a path that no socket can have is named', async () => {
  path = join(folder, 'x'.repeat(120), 'control.sock');
  await expect(new ControlServer(path, handlers, logger).start()).rejects.toMatchObject({
    code: 'CONTROL_LISTEN_FAILED',
  });
});

test('stopping closes connections that are still open', async () => {
  await start();
  const closed = new Promise((resolve) => {
    const socket = createConnection(path, () => void server?.stop());
    socket.on('close', resolve).on('error', () => undefined);
  });
  await closed;
});
