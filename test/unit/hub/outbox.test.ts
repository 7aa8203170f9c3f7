import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HubMessage, Outbox, type OutboxLimits } from '../../../src/agent/hub/outbox';
import { createLogger } from '../../../src/common/logger';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-outbox-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const open = async (limits?: Partial<OutboxLimits>): Promise<Outbox> =>
  Outbox.open(folder, createLogger('test', 'silent'), limits);
const message = (n: number): HubMessage => ({
  body: JSON.stringify({ n }),
  properties: { type: 'health' },
  createdAt: '2026-11-23T00:00:00.000Z',
});

async function drain(outbox: Outbox): Promise<number[]> {
  const sent: number[] = [];
  while (
    await outbox.sendOldest(async ({ body }) =>
      Promise.resolve(void sent.push((JSON.parse(body) as { n: number }).n)),
    )
  );
  return sent;
}

test('messages come out in the order they went in, also after a restart', async () => {
  const outbox = await open();
  for (const n of [1, 2, 3]) await outbox.add(message(n));
  const again = await open();
  await again.add(message(4));
  expect(await drain(again)).toEqual([1, 2, 3, 4]);
  expect(await readdir(folder)).toEqual([]);
});

test('a full store drops the oldest', async () => {
  const outbox = await open({ messages: 3 });
  for (const n of [1, 2, 3, 4, 5]) await outbox.add(message(n));
  expect(outbox.size).toBe(3);
  expect(await drain(outbox)).toEqual([3, 4, 5]);
});

test('the store is bounded in bytes too', async () => {
  const outbox = await open({ bytes: 250 });
  for (const n of [1, 2, 3, 4]) await outbox.add(message(n));
  expect(await drain(outbox)).toEqual([3, 4]);
});

test('a message that could not be sent stays the first', async () => {
  const outbox = await open();
  await outbox.add(message(1));
  await outbox.add(message(2));
  await expect(outbox.sendOldest(async () => Promise.reject(new Error('offline')))).rejects.toThrow(
    'offline',
  );
  expect(await drain(outbox)).toEqual([1, 2]);
});

test('a damaged message and left-over temporaries are left out', async () => {
  const outbox = await open();
  for (const n of [1, 2]) await outbox.add(message(n));
  await writeFile(join(folder, '000000000001.json'), '{"body":');
  await writeFile(join(folder, '.000000000003.json.abc.tmp'), 'x');
  expect(await drain(await open())).toEqual([2]);
});

test('messages added at the same time are all kept', async () => {
  const outbox = await open();
  await Promise.all([1, 2, 3, 4, 5].map(async (n) => outbox.add(message(n))));
  expect((await drain(await open())).sort()).toEqual([1, 2, 3, 4, 5]);
});
