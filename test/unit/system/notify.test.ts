import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ServiceManager } from '../../../src/agent/system/notify';
import { createLogger } from '../../../src/common/logger';

/** Python's standard library speaks AF_UNIX datagrams; it prints sender pid and message of each as JSON. */
const receiver = `
import json, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name.startswith('@') else name)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
print('"bound"', flush=True)
while True:
    data, control, _, _ = s.recvmsg(4096, 128)
    print(json.dumps({'pid': struct.unpack('3i', control[0][2])[0], 'text': data.decode()}), flush=True)
`;

let folder: string;
let child: ChildProcess | undefined;
const lines: string[] = [];
const quiet = createLogger('test', 'silent');

async function receive(name: string): Promise<() => Promise<{ pid: number; text: string }>> {
  child = spawn('python3', ['-c', receiver, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const reader = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => JSON.parse((await reader.next()).value as string);
  expect(await next()).toBe('bound');
  return async () => (await next()) as { pid: number; text: string };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-notify-'));
  lines.length = 0;
});

afterEach(async () => {
  if (child?.exitCode === null) {
    const gone = once(child, 'exit');
    child.kill();
    await gone;
  }
  child = undefined;
  await rm(folder, { recursive: true });
});

describe.each([
  ['a path', () => join(folder, 'notify')],
  ['the abstract namespace', () => `@tpe-notify-test-${process.pid}`],
])('a service manager that listens in %s', (_where, name) => {
  test('hears every message from the main process itself', async () => {
    const socket = name();
    const message = await receive(socket);
    const manager = new ServiceManager(quiet, { NOTIFY_SOCKET: socket });
    manager.status('connecting to hub');
    manager.ready();
    manager.alive();
    manager.stopping();
    for (const text of ['STATUS=connecting to hub', 'READY=1', 'WATCHDOG=1', 'STOPPING=1']) {
      expect(await message()).toEqual({ pid: process.pid, text });
    }
  });
});

test('a reload carries the monotonic time, and the same status goes out once', async () => {
  const socket = join(folder, 'notify');
  const message = await receive(socket);
  const manager = new ServiceManager(quiet, { NOTIFY_SOCKET: socket });
  manager.status('one\ntwo');
  manager.status('one two');
  manager.reloading();
  expect((await message()).text).toBe('STATUS=one two');
  expect((await message()).text).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
});

test('without a service manager nothing is sent and nothing is watched', () => {
  const manager = new ServiceManager(quiet, {});
  manager.ready();
  expect(manager.watchdogMs).toBeUndefined();
});

test('a service manager that does not listen is logged, not thrown', () => {
  const logger = createLogger('test', 'warn', { write: (line: string) => lines.push(line) });
  new ServiceManager(logger, { NOTIFY_SOCKET: join(folder, 'nobody') }).ready();
  new ServiceManager(logger, { NOTIFY_SOCKET: '/'.padEnd(200, 'x') }).ready();
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain('sendto: No such file or directory');
  expect(lines[1]).toContain('File name too long');
});

test.each([
  [{ WATCHDOG_USEC: '30000000' }, 30_000],
  [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) }, 30_000],
  [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }, undefined],
  [{ WATCHDOG_USEC: 'soon' }, undefined],
  [{ WATCHDOG_USEC: '-5' }, undefined],
])('the watchdog period of %j is %s ms', (environment, expected) => {
  expect(new ServiceManager(quiet, environment).watchdogMs).toBe(expected);
});
