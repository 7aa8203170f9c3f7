import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../common/errors/tpe-error';
import { writeFileAtomic } from '../../common/fs/atomic-write';

/** Name of the file in the state folder; only its owner may read it. */
export const ADMIN_TOKEN_FILE = 'admin-token';

/** The bearer token of the admin API, kept in the state folder. */
export async function openAdminToken(folder: string): Promise<string> {
  const path = join(folder, ADMIN_TOKEN_FILE);
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const token = randomBytes(32).toString('base64url');
  await writeFileAtomic(path, `${token}\n`);
  return token;
}

export function isBearer(authorization: string | undefined, token: string): boolean {
  const [given, wanted] = [Buffer.from(authorization ?? ''), Buffer.from(`Bearer ${token}`)];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
