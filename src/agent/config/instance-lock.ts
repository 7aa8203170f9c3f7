import { type FileHandle, open, readFile } from 'node:fs/promises';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { systemAddon } from '../system/native';

/** Holds a state folder for one process. */
export interface InstanceLock {
  release(): Promise<void>;
}

/** A FileHandle that nothing refers to is closed by the garbage collector, and the lock with it. */
const held = new Set<FileHandle>();

/** Who holds a flock on this inode, as far as this process may see it (proc_locks(5)); 0 when unknown. */
async function holderOf(inode: number): Promise<number> {
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '');
  const line = locks.split('\n').find((row) => row.includes(' FLOCK ') && row.includes(`:${inode} `));
  return Number(line?.trim().split(/\s+/)[4] ?? 0) || 0;
}

/**
 * Takes the state folder for this process: flock(2) on the folder itself. The kernel lets go of it when the process
 * ends in whatever way, so there are no stale locks, and no file is made whose owner could be wrong.
 * @throws STATE_IN_USE when another process holds it, STATE_FOLDER_UNUSABLE when it cannot be opened.
 */
export async function lockState(folder: string): Promise<InstanceLock> {
  let handle: FileHandle;
  try {
    handle = await open(folder, 'r');
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT';
    throw new TpeError(
      'STATE_FOLDER_UNUSABLE',
      { path: folder, reason: missing ? 'it does not exist' : reasonOf(error) },
      { cause: error },
    );
  }
  try {
    const info = await handle.stat();
    if (!info.isDirectory()) {
      throw new TpeError('STATE_FOLDER_UNUSABLE', { path: folder, reason: 'it is not a folder' });
    }
    if (!systemAddon().tryLock(handle.fd)) {
      throw new TpeError('STATE_IN_USE', { path: folder, pid: await holderOf(info.ino) });
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  held.add(handle);
  return {
    release: async () => {
      if (held.delete(handle)) await handle.close();
    },
  };
}
