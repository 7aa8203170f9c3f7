import { copyFile, mkdir, readFile, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Gateway } from '../support/gateway';
import { distFolder } from '../support/process';
import { startSwtpm } from '../support/swtpm';
import { withTempFolder } from '../support/temp';

const CHECKSUM_BYTES = 4;

test('the second start of a build keeps its bytecode, and what is kept starts the agent again', async () => {
  const swtpm = await startSwtpm();
  try {
    await withTempFolder(async (folder) => {
      const cache = join(folder, 'cache');
      const kept = async (): Promise<{ size: number; mtimeMs: number }> => {
        const [name = ''] = await readdir(cache);
        return stat(join(cache, name));
      };
      const gateway = new Gateway({ folder, tcti: swtpm.tcti, env: { CACHE_DIRECTORY: cache } });
      const files: { size: number; mtimeMs: number }[] = [];
      for (let start = 1; start <= 3; start += 1) {
        await gateway.start();
        expect(await gateway.stop()).toBe(0);
        expect(gateway.process?.stderr).toBe('');
        files.push(await kept());
      }
      expect(files[0]?.size).toBe(CHECKSUM_BYTES);
      expect(files[1]?.size).toBeGreaterThan(100_000);
      // Neither refused nor written again, which would give a file of much the same size.
      expect(files[2]?.mtimeMs).toBe(files[1]?.mtimeMs);
    });
  } finally {
    await swtpm.stop();
  }
});

test('the agent goes on after its bundle was replaced, and starts where the addon for it is missing', async () => {
  const swtpm = await startSwtpm();
  try {
    await withTempFolder(async (folder) => {
      const programs = join(folder, 'programs');
      await mkdir(programs);
      const bundle = join(programs, 'tpe-agent.code.cjs');
      for (const name of ['tpe-agent.cjs', 'tpe-agent.code.cjs', 'tpe_tpm.node', 'tpe_system.node'])
        await copyFile(join(distFolder, name), join(programs, name));
      const place = { node: process.execPath, folder: programs };
      const gateway = new Gateway({ folder, tcti: swtpm.tcti, as: { command: [], place } });
      await gateway.start();
      expect(await readFile(`/proc/${gateway.process?.pid}/maps`, 'utf8')).toContain(bundle);
      // As dpkg does it; most functions are compiled from the text that is gone from the folder now.
      await unlink(bundle);
      await gateway.takeOver();
      await gateway.data('GET', '/tpm');
      expect(await gateway.stop()).toBe(0);

      await copyFile(join(distFolder, 'tpe-agent.code.cjs'), bundle);
      await unlink(join(programs, 'tpe_system.node'));
      await expect(gateway.start()).rejects.toThrow('SYSTEM_ADDON_MISSING');
    });
  } finally {
    await swtpm.stop();
  }
});
