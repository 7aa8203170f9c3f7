import { appendFile, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditEvent, AuditTrail } from '../../../src/agent/system/audit';
import { createLogger } from '../../../src/common/logger';
import { FakeClock } from '../../support/fake-clock';
import { withTempFolder } from '../../support/temp';
import { waitFor } from '../../support/wait';

const logger = createLogger('test', 'silent');
const event = (more: Partial<AuditEvent> = {}): AuditEvent => ({
  user: 'admin',
  source: '192.168.4.10',
  category: 'auth',
  action: 'login',
  detail: '',
  result: 'success',
  code: '',
  ...more,
});
const all = { limit: 1000, offset: 0 };

test('records are on disk when record() resolves, newest first in a query, and ids go on after a restart', async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const trail = await AuditTrail.open({ folder, clock, logger });
    await trail.record(event());
    await trail.record(event({ action: 'logout' }));
    expect((await readFile(join(folder, 'audit.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(2);
    expect((await stat(join(folder, 'audit.jsonl'))).mode & 0o777).toBe(0o600);
    // No close(): this is what a kill leaves behind.
    const again = await AuditTrail.open({ folder, clock, logger });
    await again.record(event({ action: 'third' }));
    const page = await again.query(all);
    expect(page.count).toBe(3);
    expect(page.records.map(({ id, action }) => [id, action])).toEqual([
      [3, 'third'],
      [2, 'logout'],
      [1, 'login'],
    ]);
    await again.close();
    await trail.close();
  });
});

test('a line torn by a power cut costs itself only', async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const trail = await AuditTrail.open({ folder, clock, logger });
    await trail.record(event());
    await trail.close();
    await appendFile(join(folder, 'audit.jsonl'), '{"id":2,"at":"20');
    const again = await AuditTrail.open({ folder, clock, logger });
    await again.record(event({ action: 'after' }));
    expect((await again.query(all)).records.map(({ action }) => action)).toEqual(['after', 'login']);
    await again.close();
  });
});

test('a trail cut at any byte loses the cut record only, and ids go on', async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const path = join(folder, 'audit.jsonl');
    const trail = await AuditTrail.open({ folder, clock, logger });
    await trail.record(event({ action: 'first' }));
    const kept = (await readFile(path)).length;
    await trail.record(event({ action: 'cut' }));
    await trail.close();
    const whole = await readFile(path);
    for (let length = kept; length <= whole.length; length += 1) {
      await writeFile(path, whole.subarray(0, length));
      const again = await AuditTrail.open({ folder, clock, logger });
      await again.record(event({ action: 'after' }));
      const { records } = await again.query(all);
      await again.close();
      const survived = length >= whole.length - 1;
      expect([length, records.map(({ id, action }) => `${id} ${action}`)]).toEqual([
        length,
        survived ? ['3 after', '2 cut', '1 first'] : ['2 after', '1 first'],
      ]);
    }
  });
});

test('ids go on when the only record after a rotation is torn', async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const trail = await AuditTrail.open({ folder, clock, logger });
    for (let i = 0; i < 5; i += 1) await trail.record(event());
    await trail.close();
    await rename(join(folder, 'audit.jsonl'), join(folder, 'audit.1.jsonl'));
    await writeFile(join(folder, 'audit.jsonl'), '{"id":6,"at"');
    const again = await AuditTrail.open({ folder, clock, logger });
    await again.record(event({ action: 'after' }));
    expect((await again.query(all)).records[0]).toMatchObject({ id: 6, action: 'after' });
    await again.close();
  });
});

test('the trail is rotated by size and never holds more than its files', async () => {
  await withTempFolder(async (folder) => {
    const trail = await AuditTrail.open({
      folder,
      clock: new FakeClock(),
      logger,
      fileBytes: 1000,
      files: 3,
    });
    for (let i = 0; i < 60; i += 1) await trail.record(event());
    const names = (await readdir(folder)).sort();
    expect(names).toEqual(['audit.1.jsonl', 'audit.2.jsonl', 'audit.jsonl', 'strangers.jsonl']);
    for (const name of names) expect((await stat(join(folder, name))).size).toBeLessThanOrEqual(1000);
    const { records } = await trail.query(all);
    expect(records[0]?.id).toBe(60);
    expect(records.map(({ id }) => id)).toEqual(records.map((_record, i) => 60 - i));
    await trail.close();
  });
});

const refused = (more: Partial<AuditEvent> = {}): AuditEvent =>
  event({ result: 'refused', code: 'API_LOGIN_FAILED', ...more });

test('a storm of refusals and failures is one record of each and a count, other events stay', async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const trail = await AuditTrail.open({ folder, clock, logger });
    await trail.record(event({ action: 'precious' }));
    const failed = event({ result: 'failed', code: 'API_BUSY' });
    for (let i = 0; i < 6000; i += 1) await trail.record(i % 2 ? refused() : failed);
    clock.advance(60_000);
    await waitFor('the count', async () => (await trail.query(all)).count === 5);
    expect((await trail.query(all)).records).toMatchObject([
      { count: 2999, code: 'API_LOGIN_FAILED' },
      { count: 2999, code: 'API_BUSY' },
      { count: 1, code: 'API_LOGIN_FAILED' },
      { count: 1, code: 'API_BUSY' },
      { action: 'precious' },
    ]);
    await trail.close();
  });
});

test('failures of two users from one place appear under their own names', async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const trail = await AuditTrail.open({ folder, clock, logger });
    for (const user of ['olga', 'admin', 'olga', 'admin', 'admin']) await trail.record(refused({ user }));
    clock.advance(60_000);
    await waitFor('the counts', async () => (await trail.query(all)).count === 4);
    const { records } = await trail.query(all);
    expect(records.map(({ user, count }) => `${user} ${count}`)).toEqual([
      'admin 2',
      'olga 1',
      'admin 1',
      'olga 1',
    ]);
    await trail.close();
  });
});

test.each([
  // Eight names and "several", each once and with a count.
  ['invents names', 18, (i: number) => ({ user: `user${i}` })],
  ['comes from ever new addresses', 2 * 257, (i: number) => ({ source: `2001:db8::${i.toString(16)}` })],
  [
    'does both',
    2 * 257,
    (i: number) => ({ user: `user${i}`, source: `2001:db8::${(i % 1000).toString(16)}` }),
  ],
])('somebody who %s brings so many records a minute and no more', async (_what, most, invent) => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const trail = await AuditTrail.open({ folder, clock, logger });
    await Promise.all(Array.from({ length: 4000 }, async (_each, i) => trail.record(refused(invent(i)))));
    clock.advance(60_000);
    await trail.close();
    const { count, records } = await trail.query(all);
    expect(count).toBeLessThanOrEqual(most);
    expect(records.reduce((sum, record) => sum + record.count, 0)).toBe(4000);
    expect(records[0]).toMatchObject({ user: '*', code: 'API_LOGIN_FAILED' });
    expect(clock.timers).toBe(0);
  });
});

test('every record is in the log, too, at whatever level, also when the disk fails', async () => {
  await withTempFolder(async (parent) => {
    const folder = join(parent, 'audit');
    await writeFile(folder, 'a file in the place of the folder');
    const lines: string[] = [];
    const loud = createLogger('test', 'error', { write: (text) => lines.push(text) });
    const trail = await AuditTrail.open({ folder, clock: new FakeClock(), logger: loud });
    await trail.record(event({ action: 'x'.repeat(5000) }));
    await trail.close();
    const told = lines.map(
      (line) => JSON.parse(line) as { part?: string; audit?: { user: string; action: string } },
    );
    const audit = told.find(({ part }) => part === 'audit')?.audit;
    expect(audit).toMatchObject({ id: 1, user: 'admin', source: '192.168.4.10', result: 'success' });
    expect(audit?.action).toHaveLength(1025);
  });
});

test('a folder that cannot be written is said, and heals by itself', async () => {
  await withTempFolder(async (parent) => {
    const folder = join(parent, 'audit');
    await writeFile(folder, 'a file in the place of the folder');
    const trail = await AuditTrail.open({ folder, clock: new FakeClock(), logger });
    await trail.record(event());
    expect(trail.failing).toBeDefined();
    expect(trail.lost).toBe(1);
    await rm(folder);
    await mkdir(folder);
    await trail.record(event({ action: 'healed' }));
    expect(trail.failing).toBeUndefined();
    expect((await trail.query(all)).records.map(({ action }) => action)).toEqual(['healed']);
    await trail.close();
  });
});

test('filters and pages', async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const trail = await AuditTrail.open({ folder, clock, logger });
    for (let i = 0; i < 10; i += 1) {
      await trail.record(
        event({ user: i % 2 === 0 ? 'admin' : 'olga', category: i < 5 ? 'auth' : 'services' }),
      );
      clock.advance(1000);
    }
    const page = await trail.query({ limit: 2, offset: 1, user: 'admin' });
    expect(page.count).toBe(5);
    expect(page.records.map(({ id }) => id)).toEqual([7, 5]);
    const late = await trail.query({ ...all, category: 'services', from: '2026-11-01T00:00:07.000Z' });
    expect(late.records.map(({ id }) => id)).toEqual([10, 9, 8]);
    await trail.close();
  });
});

test('what strangers are refused pushes out nothing that users did, for however long', async () => {
  await withTempFolder(async (folder) => {
    const clock = new FakeClock();
    const options = { folder, clock, logger, fileBytes: 2000, files: 3, strangersFiles: 2 };
    const trail = await AuditTrail.open(options);
    await trail.record(event({ action: 'precious' }));
    for (let minute = 0; minute < 50; minute += 1) {
      for (let i = 0; i < 10; i += 1) {
        await trail.record(refused({ user: '-', source: `203.0.113.${i}`, action: `PUT /${i}` }), true);
      }
      clock.advance(60_000);
    }
    await trail.record(event({ action: 'later' }));
    await trail.close();
    const again = await AuditTrail.open(options);
    const { records } = await again.query(all);
    expect(records[0]).toMatchObject({ action: 'later', id: 502 });
    expect(records.at(-1)).toMatchObject({ action: 'precious', id: 1 });
    expect(records.length).toBeGreaterThan(5);
    expect(records.map(({ id }) => id)).toEqual(records.map(({ id }) => id).sort((a, b) => b - a));
    const sizes = await Promise.all(
      (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
    );
    expect(sizes).toHaveLength(3);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2000);
    await again.record(event({ action: 'after' }));
    expect((await again.query(all)).records[0]).toMatchObject({ action: 'after', id: 503 });
    await again.close();
  });
});

test('strangers do not hide what a user was refused', async () => {
  await withTempFolder(async (folder) => {
    const trail = await AuditTrail.open({ folder, clock: new FakeClock(), logger });
    for (let i = 0; i < 300; i += 1) await trail.record(refused({ source: `2001:db8::${i}` }), true);
    await trail.record(refused({ user: 'olga', action: 'disable', code: 'API_FORBIDDEN' }));
    expect((await trail.query(all)).records[0]).toMatchObject({ user: 'olga', action: 'disable' });
    await trail.close();
  });
});

test('ids go on when the files could be read only after the start', async () => {
  await withTempFolder(async (parent) => {
    const [folder, away] = [join(parent, 'audit'), join(parent, 'away')];
    const clock = new FakeClock();
    const first = await AuditTrail.open({ folder, clock, logger });
    for (let i = 0; i < 3; i += 1) await first.record(event());
    await first.record(refused(), true);
    await first.close();
    await rename(folder, away);
    await writeFile(folder, 'a file in the place of the folder');
    const again = await AuditTrail.open({ folder, clock, logger });
    await rm(folder);
    await rename(away, folder);
    await Promise.all([again.record(event()), again.record(event())]);
    expect((await again.query(all)).records.map(({ id }) => id)).toEqual([6, 5, 4, 3, 2, 1]);
    await again.close();
  });
});

test('a stranger whose refusal is written does not hide that records of users are lost', async () => {
  await withTempFolder(async (folder) => {
    await mkdir(join(folder, 'audit.jsonl'));
    const trail = await AuditTrail.open({ folder, clock: new FakeClock(), logger });
    await trail.record(event());
    await trail.record(refused({ user: '-' }), true);
    expect(trail.failing).toBeDefined();
    expect(trail.lost).toBe(1);
    await trail.close();
  });
});
