import { link, open, readFile, rm } from 'node:fs/promises';
import { TpeError, codeOf, isTpeError, reasonOf } from '../../common/errors/tpe-error';

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function holder(path: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(path, 'utf8')).trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Makes sure that only one process writes a file; a lock that a killed process left behind is taken over.
 * @returns what releases it.
 * @throws PROVISION_JOURNAL_IN_USE, FILE_WRITE_FAILED
 */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const lock = `${path}.lock`;
  const own = `${lock}.${process.pid}`;
  try {
    const handle = await open(own, 'w', 0o600);
    await handle.writeFile(`${process.pid}\n`);
    await handle.close();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      try {
        // A link appears with its content, so nobody reads a half-written lock.
        await link(own, lock);
        return () => rm(lock, { force: true });
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
      const pid = await holder(lock);
      if (pid !== undefined && pid !== process.pid && alive(pid)) {
        throw new TpeError('PROVISION_JOURNAL_IN_USE', { path, pid });
      }
      await rm(lock, { force: true });
    }
    throw new TpeError('PROVISION_JOURNAL_IN_USE', { path, pid: 'unknown' });
  } catch (error) {
    if (isTpeError(error)) throw error;
    throw new TpeError('FILE_WRITE_FAILED', { path: lock, reason: reasonOf(error) }, { cause: error });
  } finally {
    await rm(own, { force: true });
  }
}
