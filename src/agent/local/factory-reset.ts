import { createHash, createPublicKey } from 'node:crypto';
import { readFile, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { syncFolder, writeFileAtomic } from '../../common/fs/atomic-write';
import { writeInitialAccounts } from '../accounts/initial-accounts';
import { FACTORY_FILE, factoryStateFile } from '../config/factory-state';

/** While this file is there, a reset has begun and every start finishes it before anything else. */
const MARKER = '.factory-reset';

/** The control socket's folder, when the state folder holds it. */
const RUNTIME_FOLDER = 'run';

const TLS_FILES = ['tls-key.pem', 'tls-cert.pem'];

export interface StatePaths {
  readonly state: string;
  readonly audit: string;
}

/** Decides a reset: from now on it happens, whatever happens to this process. */
export async function requestFactoryReset(paths: StatePaths): Promise<void> {
  await writeFileAtomic(join(paths.state, MARKER), `${new Date().toISOString()}\n`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    throw new TpeError('FILE_WRITE_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

/** Removes what is in a folder, and the folder where that may be: it may lie in a folder of root's, or be a mount point. */
async function empty(folder: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw new TpeError('FILE_READ_FAILED', { path: folder, reason: reasonOf(error) }, { cause: error });
  }
  for (const name of names) await remove(join(folder, name));
  await syncFolder(folder);
  await rmdir(folder).catch(() => undefined);
}

/** Base64 SHA-256 of the public key of the PEM private key in this file; `undefined` when there is no usable one. */
async function keySha256Of(path: string): Promise<string | undefined> {
  try {
    const spki = createPublicKey(await readFile(path, 'utf8')).export({ type: 'spki', format: 'der' });
    return createHash('sha256').update(spki).digest('base64');
  } catch {
    // A missing or damaged key is not the factory's key: it goes.
    return undefined;
  }
}

/**
 * Finishes a reset that was requested: purges identity, accounts, settings and logs, and gives the administrator the
 * factory's own initial password back. The factory's record and the TLS key that it names stay. May be cut off at any
 * moment and run again.
 * @returns true when there was one to finish.
 */
export async function finishFactoryReset(paths: StatePaths): Promise<boolean> {
  const marker = join(paths.state, MARKER);
  if (!(await exists(marker))) return false;
  const factory = await factoryStateFile(paths.state).load();
  const keyIsFactorys =
    factory !== undefined && (await keySha256Of(join(paths.state, 'tls-key.pem'))) === factory.keySha256;
  const kept = new Set([
    MARKER,
    RUNTIME_FOLDER,
    ...(factory === undefined ? [] : [FACTORY_FILE, `${FACTORY_FILE}.twin`]),
    ...(keyIsFactorys ? TLS_FILES : []),
  ]);
  for (const name of await readdir(paths.state)) {
    if (!kept.has(name)) await remove(join(paths.state, name));
  }
  await empty(paths.audit);
  if (factory !== undefined) await writeInitialAccounts(paths.state, factory.initialPasswordHash);
  await syncFolder(paths.state);
  await remove(marker);
  await syncFolder(paths.state);
  return true;
}

/**
 * Where the factory set a password of its own, accounts that are missing altogether must not come back with the
 * well-known one. Call at every start, before the accounts are opened.
 */
export async function restoreInitialAccounts(paths: StatePaths): Promise<void> {
  const accounts = join(paths.state, 'accounts.json');
  if ((await exists(accounts)) || (await exists(`${accounts}.twin`))) return;
  const factory = await factoryStateFile(paths.state).load();
  if (factory === undefined) return;
  await writeInitialAccounts(paths.state, factory.initialPasswordHash);
}
