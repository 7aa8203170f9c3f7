import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockState } from '../../../src/agent/config/instance-lock';
import { isTpeError } from '../../../src/common/errors/tpe-error';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-lock-'));
});

afterEach(() => rm(folder, { recursive: true }));

test('a second instance is refused until the first lets go, and the folder is left as it was', async () => {
  const before = await stat(folder);
  const first = await lockState(folder);
  await expect(lockState(folder)).rejects.toMatchObject({ code: 'STATE_IN_USE', details: { path: folder } });
  await first.release();
  await first.release();
  const second = await lockState(folder);
  await second.release();
  const after = await stat(folder);
  expect(await readdir(folder)).toEqual([]);
  expect([after.mode, after.uid, after.mtimeMs]).toEqual([before.mode, before.uid, before.mtimeMs]);
});

test('names the process that holds the folder, and a killed process leaves no stale lock', async () => {
  const holder = spawn('flock', [folder, '-c', 'echo locked; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  await once(holder.stdout, 'data');
  const refused = await lockState(folder).catch((error: unknown) => error);
  expect(isTpeError(refused, 'STATE_IN_USE') && refused.details['pid']).toBe(holder.pid);
  const gone = once(holder, 'close');
  process.kill(-holder.pid!, 'SIGKILL');
  await gone;
  await (await lockState(folder)).release();
});

test.each([
  ['a folder that does not exist', 'none', 'it does not exist'],
  ['a file', 'file', 'it is not a folder'],
])('%s is named as unusable', async (_what, name, reason) => {
  await writeFile(join(folder, 'file'), '');
  const path = join(folder, name);
  await expect(lockState(path)).rejects.toMatchObject({
    code: 'STATE_FOLDER_UNUSABLE',
    details: { path, reason },
  });
});
