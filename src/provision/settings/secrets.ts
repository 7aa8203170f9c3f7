import { readFile } from 'node:fs/promises';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';

const LARGEST_SECRET = 4096;

/** A secret from a file: its first line, so that an editor's final newline does no harm. */
export async function readSecretFile(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
  const secret = text.split(/\r?\n/, 1)[0] ?? '';
  if (secret === '' || secret.length > LARGEST_SECRET) {
    throw new TpeError('PROVISION_SETTING_INVALID', {
      setting: path,
      reason: 'its first line holds no secret',
    });
  }
  return secret;
}

/** A secret from the file that is named, else from the environment. */
export async function readSecret(
  file: string | undefined,
  variable: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  if (file !== undefined) return readSecretFile(file);
  const value = env[variable];
  return value === undefined || value === '' ? undefined : value;
}
