import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { withTempFolder } from '../support/temp';

const PROGRAM = resolve(__dirname, '../../bench/run.mjs');

function bench(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
}

type Results = Record<string, { value: number; unit: string; peer: number; ratio: number; group: string }>;

async function measured(run: (folder: string, results: Results) => void): Promise<void> {
  await withTempFolder(async (folder) => {
    const file = join(folder, 'results.json');
    const { status, stderr } = bench('size', '--json', file, '--plots', folder);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    run(folder, JSON.parse(readFileSync(file, 'utf8')) as Results);
    return Promise.resolve();
  });
}

test('a run keeps value, unit, peer, ratio and where they come from, and draws its group', async () => {
  await measured((folder, results) => {
    const { value, peer, ratio } = results['size.agent']!;
    expect(ratio).toBeCloseTo(value / peer, 10);
    expect(results['size.agent']).toMatchObject({ unit: 'MB', group: 'size', rounds: 1 });
    expect(readFileSync(join(folder, 'size.svg'), 'utf8')).toContain('size.agent');
  });
});

test('--check fails when a ratio is beyond its tolerance, and says which', async () => {
  await measured((folder, results) => {
    const file = join(folder, 'worse.json');
    const again = (factor: number): SpawnSyncReturns<string> => {
      const one = results['size.agent']!;
      writeFileSync(file, JSON.stringify({ 'size.agent': { ...one, ratio: one.ratio * factor } }));
      return bench('--from', file, '--check', '--plots', folder);
    };
    expect(again(1)).toMatchObject({ status: 0, stderr: '' });
    const { status, stderr } = again(3);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^size\.agent: ratio /);
  });
});

test.each([['nonsense'], ['--nonsense'], ['size', '--quick', '--write']])('%s %s is refused', (...args) => {
  const { status, stderr } = bench(...args);
  expect(status).toBe(2);
  expect(stderr).toContain('usage: npm run bench');
});
