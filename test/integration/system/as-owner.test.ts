import { chmod, chown, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asOwnerOf } from '../../../src/agentctl/as-owner';
import { withTempFolder } from '../../support/temp';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

afterEach(() => {
  jest.restoreAllMocks();
  delete process.env.UV_USE_IO_URING;
});

/** Runs the test on a folder that belongs to nobody, or to the tester who is not root. */
async function withOwned(test: (folder: string, uid: number) => Promise<void>): Promise<void> {
  await withTempFolder(async (parent) => {
    const folder = join(parent, 'state');
    await mkdir(folder);
    if (isRoot) {
      await chmod(parent, 0o755);
      await chown(folder, NOBODY, NOBODY);
    }
    await test(folder, (await stat(folder)).uid);
  });
}

test('files are the owner’s, also where Node.js refuses to change users, and root is root again', async () => {
  // What Debian 13's Node.js says, which cannot know whether the system's libuv uses io_uring.
  for (const name of ['setgroups', 'setegid', 'seteuid'] as const) {
    jest.spyOn(process, name).mockImplementation(() => {
      throw new Error(`${name}() disabled: io_uring may be enabled. See CVE-2024-22017.`);
    });
  }
  const before = { uid: process.geteuid?.(), gid: process.getegid?.(), groups: process.getgroups?.() };
  await withOwned(async (folder, uid) => {
    // Each of them may be written by another thread.
    const files = Array.from({ length: 8 }, (_, index) => join(folder, String(index)));
    await asOwnerOf(folder, async () => {
      expect(process.geteuid?.()).toBe(uid);
      if (isRoot) {
        expect(process.getegid?.()).toBe(NOBODY);
        expect(process.getgroups?.()).not.toContain(0);
      }
      await Promise.all(files.map((file) => writeFile(file, '')));
    });
    for (const file of files) expect((await stat(file)).uid).toBe(uid);
    await expect(asOwnerOf(folder, () => Promise.reject(new RangeError('work')))).rejects.toThrow('work');
  });
  expect({ uid: process.geteuid?.(), gid: process.getegid?.(), groups: process.getgroups?.() }).toEqual(
    before,
  );
});

test('io_uring, which would keep root’s rights, is refused before anything is done', async () => {
  process.env.UV_USE_IO_URING = '1';
  await withOwned(async (folder) => {
    const work = jest.fn(() => Promise.resolve());
    if (isRoot) {
      await expect(asOwnerOf(folder, work)).rejects.toMatchObject({ code: 'IO_URING_ENABLED' });
      expect(work).not.toHaveBeenCalled();
    } else {
      await asOwnerOf(folder, work);
      expect(work).toHaveBeenCalledTimes(1);
    }
  });
});
