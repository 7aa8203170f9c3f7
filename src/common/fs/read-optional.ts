import { readFile } from 'node:fs/promises';
import { TpeError, codeOf, reasonOf } from '../errors/tpe-error';

/** A file's text; `undefined` where there is none. @throws FILE_READ_FAILED */
export async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}
