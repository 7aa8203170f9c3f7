import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConnectionStore } from '../../../src/agent/connection/connection-store';
import { bundle, runAndKill } from '../../support/killed';
import { withTempFolder } from '../../support/temp';

test('kill -9 at any moment of a commit leaves hub, device id and key of one registration', async () => {
  await withTempFolder(async (folder) => {
    const program = bundle(join(__dirname, 'committer.ts'), join(folder, 'committer.cjs'));
    for (let round = 0; round < 15; round += 1) {
      const said = await runAndKill(program, [folder], 5 + round * 7);
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
