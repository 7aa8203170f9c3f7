import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Gateway } from '../../../src/provision/device';
import { Journal } from '../../../src/provision/journal/journal';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-journal-'));
  path = join(folder, 'journal');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function gateway(n: number): Gateway {
  return {
    deviceId: `device-${n}`,
    serialNumber: `TAICB${n}`,
    mac: '0090e8000001',
    modelName: 'UC',
    firmwareVersion: '1',
    address: '127.0.0.1',
    port: 8443,
    apiBase: '/api/v1',
    keySha256: '',
  };
}

test('what was recorded is there after the next start', async () => {
  const first = await Journal.open(path);
  await first.found(gateway(1));
  await first.update('device-1', { stage: 'collected', endorsementKey: 'AAAA' });
  await first.close();
  const second = await Journal.open(path);
  expect(second.get('device-1')).toMatchObject({ stage: 'collected', endorsementKey: 'AAAA' });
  expect(second.holderOf('AAAA')?.gateway.deviceId).toBe('device-1');
  await second.close();
});

test('a hundred changes at once are all kept', async () => {
  const first = await Journal.open(path);
  await Promise.all(Array.from({ length: 100 }, (_, n) => first.found(gateway(n))));
  await first.close();
  const second = await Journal.open(path);
  expect([...second.all()]).toHaveLength(100);
  await second.close();
});

test('cut at any byte it opens with the changes that were whole', async () => {
  const first = await Journal.open(path);
  await first.found(gateway(1));
  await first.update('device-1', { stage: 'collected' });
  await first.close();
  const whole = await readFile(path);
  for (let length = 0; length <= whole.length; length += 7) {
    const cut = join(folder, `cut-${length}`);
    await writeFile(cut, whole.subarray(0, length));
    const journal = await Journal.open(cut);
    const newlines = whole.subarray(0, length).toString().split('\n').length - 1;
    expect(journal.get('device-1')?.stage).toBe([undefined, undefined, 'found', 'collected'][newlines]);
    await journal.found(gateway(2));
    await journal.close();
    const again = await Journal.open(cut);
    expect(again.get('device-2')?.stage).toBe('found');
    await again.close();
  }
});

test('damage in the middle is told with its line, not skipped', async () => {
  const first = await Journal.open(path);
  await first.found(gateway(1));
  await first.close();
  await appendFile(path, '{"at":"x","deviceId":"device-1","set":{"stage":"nonsense"}}\n');
  await expect(Journal.open(path)).rejects.toMatchObject({
    code: 'PROVISION_JOURNAL_DAMAGED',
    details: { line: 3 },
  });
});

test('a second run on the same journal is refused while the first one lives', async () => {
  const first = await Journal.open(path);
  // The lock of another living process: this test's parent.
  await first.close();
  await writeFile(`${path}.lock`, `${process.ppid}\n`);
  await expect(Journal.open(path)).rejects.toMatchObject({ code: 'PROVISION_JOURNAL_IN_USE' });
});

test('the lock of a killed process is taken over', async () => {
  await writeFile(`${path}.lock`, '4194303\n');
  const journal = await Journal.open(path);
  await journal.close();
});

test('a long journal is written anew when it is opened', async () => {
  const first = await Journal.open(path);
  await first.found(gateway(1));
  for (let i = 0; i < 30; i += 1) await first.update('device-1', { durationMs: i });
  await first.close();
  const second = await Journal.open(path);
  expect((await readFile(path, 'utf8')).trim().split('\n')).toHaveLength(2);
  expect(second.get('device-1')?.durationMs).toBe(29);
  await second.close();
});

test('a journal that cannot be written is told in one sentence', async () => {
  const journal = await Journal.open(path);
  await journal.found(gateway(1));
  await journal.close();
  await expect(journal.update('device-1', { stage: 'collected' })).rejects.toMatchObject({
    code: 'PROVISION_JOURNAL_NOT_WRITTEN',
  });
});
