import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TpeError, reasonOf } from '../errors/tpe-error';

/** Makes a change of `folder` (a file made, renamed, removed) survive a power cut: the folder itself has to reach the disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a file so that after a power cut at any moment either the old or the new content is there, whole:
 * write a temporary beside it, fsync, rename, fsync the directory.
 * @param mode permission bits; 0600 unless said otherwise.
 * @throws FILE_WRITE_FAILED; the old file is then untouched.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx', mode);
    await handle.chmod(mode);
    await handle.writeFile(content);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await handle?.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new TpeError('FILE_WRITE_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

const TEMPORARY = /^\..+\.[0-9a-f]{12}\.tmp$/;

/**
 * Removes what {@link writeFileAtomic} left in a folder when the power was cut before the rename. Only for a folder that
 * nobody else writes into.
 * @throws FILE_WRITE_FAILED
 */
export async function removeTemporaries(folder: string): Promise<void> {
  try {
    const names = (await readdir(folder)).filter((name) => TEMPORARY.test(name));
    for (const name of names) await rm(join(folder, name), { force: true });
  } catch (error) {
    throw new TpeError('FILE_WRITE_FAILED', { path: folder, reason: reasonOf(error) }, { cause: error });
  }
}
