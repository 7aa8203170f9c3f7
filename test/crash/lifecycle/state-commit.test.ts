import { spawn } from 'node:child_process';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import { ConnectionStore } from '../../../src/agent/connection/connection-store';
import { withTempFolder } from '../../support/temp';

/** Runs the committer and kills it after `ms`. @returns the last number that it said was committed */
async function commitAndKill(program: string, state: string, ms: number): Promise<number> {
  const child = spawn(process.execPath, [program, state], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.on('data', (text) => {
    said += String(text);
    timer ??= setTimeout(() => child.kill('SIGKILL'), ms);
  });
  await new Promise((done) => child.once('close', done));
  return Number(said.trim().split('\n').at(-1));
}

test('kill -9 at any moment of a commit leaves hub, device id and key of one registration', async () => {
  await withTempFolder(async (folder) => {
    const program = join(folder, 'committer.cjs');
    buildSync({
      entryPoints: [resolve(__dirname, 'committer.ts')],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'cjs',
    });
    for (let round = 0; round < 15; round += 1) {
      const said = await commitAndKill(program, folder, 5 + round * 7);
      const store = await ConnectionStore.open(folder);
      expect(store.damage).toBeUndefined();
      const { assignment } = store.current();
      const n = Number(/\d+/.exec(assignment!.hub)![0]);
      // What was said to be committed is there; the one under way may be.
      expect([said, said + 1]).toContain(n);
      const key = Buffer.from(`key ${n}`).toString('base64');
      expect(assignment).toMatchObject({ deviceId: `gw-${n}`, key: { public: key, private: key } });
    }
  });
});

test('a state file cut at any byte is read from its twin; both cut: it starts empty and says so', async () => {
  await withTempFolder(async (folder) => {
    const store = await ConnectionStore.open(folder);
    await store.save({ ek: { name: 'ab'.repeat(34), template: 'tcg' } });
    const path = join(folder, 'connection.json');
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(path, whole);
      await truncate(path, length);
      expect((await ConnectionStore.open(folder)).current().ek?.template).toBe('tcg');
    }
    await truncate(path, 10);
    await truncate(`${path}.twin`, 10);
    const damaged = await ConnectionStore.open(folder);
    expect(damaged.current()).toEqual({});
    expect(damaged.damage?.code).toBe('STATE_DAMAGED');
    await damaged.save({});
    expect((await ConnectionStore.open(folder)).damage).toBeUndefined();
  });
});
