import { readFile, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { Outbox } from '../../../src/agent/hub/outbox';
import { createLogger } from '../../../src/common/logger';
import { bundle, runAndKill } from '../../support/killed';
import { withTempFolder } from '../../support/temp';

const open = async (folder: string): Promise<Outbox> => Outbox.open(folder, createLogger('test', 'silent'));

/** Takes everything out, as a connection does. */
async function drain(folder: string): Promise<number[]> {
  const outbox = await open(folder);
  const numbers: number[] = [];
  while (
    await outbox.sendOldest(async ({ body }) => {
      numbers.push((JSON.parse(body) as { n: number }).n);
      return Promise.resolve();
    })
  );
  return numbers;
}

test('kill -9 at any moment: every message that was kept is there once, whole and in order', async () => {
  await withTempFolder(async (folder) => {
    const program = bundle(join(__dirname, 'keeper.ts'), join(folder, 'keeper.cjs'));
    const outbox = join(folder, 'outbox');
    let next = 1;
    for (let round = 0; round < 10; round += 1) {
      const said = await runAndKill(program, [outbox, String(next)], 5 + round * 9);
      const names = (await readdir(outbox)).filter((name) => /^\d+\.json$/.test(name)).sort();
      const bodies = await Promise.all(names.map(async (name) => readFile(join(outbox, name), 'utf8')));
      const kept = bodies.map(
        (text) => (JSON.parse((JSON.parse(text) as { body: string }).body) as { n: number }).n,
      );
      // What was said to be kept is there; the one under way may be.
      expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => i + 1));
      expect([said, said + 1]).toContain(kept.length);
      next = kept.length + 1;
    }
    expect(await drain(outbox)).toEqual(Array.from({ length: next - 1 }, (_, i) => i + 1));
    expect(await readdir(outbox)).toEqual([]);
  });
});

test('a full store that is killed while it drops the oldest keeps its bound and its order', async () => {
  await withTempFolder(async (folder) => {
    const program = bundle(join(__dirname, 'keeper.ts'), join(folder, 'keeper.cjs'));
    const outbox = join(folder, 'outbox');
    const said = await runAndKill(program, [outbox, '1', '5'], 150);
    expect(said).toBeGreaterThan(5);
    const numbers = await drain(outbox);
    expect(numbers.length).toBeLessThanOrEqual(6);
    expect(numbers).toContain(said);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });
});

test('a message file cut at any byte by a disk that lied is left out; the others arrive', async () => {
  await withTempFolder(async (folder) => {
    const outbox = await open(folder);
    const createdAt = new Date().toISOString();
    for (const n of [1, 2, 3]) await outbox.add({ body: JSON.stringify({ n }), properties: {}, createdAt });
    const second = join(folder, '000000000002.json');
    await truncate(second, (await readFile(second)).length - 1);
    expect(await drain(folder)).toEqual([1, 3]);
  });
});
