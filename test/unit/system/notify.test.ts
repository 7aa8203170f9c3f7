import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceManager } from '../../../src/agent/system/notify';
import { createLogger } from '../../../src/common/logger';
import { type Notice, NotifyReceiver } from '../../support/notify-receiver';

let folder: string;
let receiver: NotifyReceiver | undefined;
const lines: string[] = [];
const quiet = createLogger('test', 'silent');

async function receive(name: string): Promise<() => Promise<Notice>> {
  receiver = await NotifyReceiver.start(name);
  return receiver.next.bind(receiver);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-notify-'));
  lines.length = 0;
});

afterEach(async () => {
  await receiver?.stop();
  receiver = undefined;
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
