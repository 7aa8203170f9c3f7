import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { type Static, Type } from '@sinclair/typebox';
import { TpeError, codeOf, isTpeError, reasonOf } from '../../common/errors/tpe-error';
import { writeFileAtomic } from '../../common/fs/atomic-write';
import { validate } from '../../common/validate';
import { lockFile } from '../journal/lock';

/** OWASP's recommendation for scrypt: 128 MB of memory. */
const COST = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 };

const Header = Type.Object({
  vault: Type.Literal('tpe-provision'),
  version: Type.Literal(1),
  salt: Type.String({ pattern: '^[A-Za-z0-9+/]{22}==$' }),
});
const Line = Type.Object({ iv: Type.String(), data: Type.String(), tag: Type.String() });

export const VaultEntry = Type.Object({
  at: Type.String(),
  deviceId: Type.String(),
  serialNumber: Type.String(),
  user: Type.String(),
  password: Type.String(),
});
export type VaultEntry = Static<typeof VaultEntry>;

function deriveKey(passphrase: string, salt: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.from(salt, 'base64'), 32, COST, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

function seal(key: Buffer, header: string, entry: VaultEntry): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(header));
  const data = Buffer.concat([cipher.update(JSON.stringify(entry), 'utf8'), cipher.final()]);
  const line = [iv, data, cipher.getAuthTag()].map((part) => part.toString('base64'));
  return `${JSON.stringify({ iv: line[0], data: line[1], tag: line[2] })}\n`;
}

function unseal(key: Buffer, header: string, text: string, path: string): VaultEntry {
  const line = validate(Line, JSON.parse(text), path);
  const [iv, data, tag] = [line.iv, line.data, line.tag].map((part) => Buffer.from(part, 'base64'));
  if (iv === undefined || data === undefined || tag === undefined) throw new RangeError('a field is missing');
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
    .setAAD(Buffer.from(header))
    .setAuthTag(tag);
  const plain = Buffer.concat([decipher.update(data), decipher.final()]).toString('utf8');
  return validate(VaultEntry, JSON.parse(plain), path);
}

async function readVault(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

/**
 * Passwords that were generated, encrypted with a key from a passphrase (scrypt, AES-256-GCM a line). A password is on
 * disk before any gateway gets it.
 */
export class Vault {
  readonly #path: string;
  readonly #key: Buffer;
  readonly #header: string;
  readonly #entries = new Map<string, VaultEntry>();
  readonly #file: FileHandle;
  readonly #release: () => Promise<void>;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    path: string,
    key: Buffer,
    header: string,
    file: FileHandle,
    release: () => Promise<void>,
  ) {
    this.#path = path;
    this.#key = key;
    this.#header = header;
    this.#file = file;
    this.#release = release;
  }

  /**
   * Opens a vault, or makes a new one.
   * @throws PROVISION_VAULT_UNREADABLE for a wrong passphrase or damage, FILE_*, PROVISION_JOURNAL_IN_USE.
   */
  static async open(path: string, passphrase: string): Promise<Vault> {
    const release = await lockFile(path);
    try {
      const before = await readVault(path);
      const fresh = { vault: 'tpe-provision', version: 1, salt: randomBytes(16).toString('base64') };
      const [header = '', ...lines] = (before ?? `${JSON.stringify(fresh)}\n`).split('\n');
      // What follows the last newline was being written when a run was killed: no gateway got that password.
      lines.pop();
      const { salt } = validate(Header, JSON.parse(header), path);
      const key = await deriveKey(passphrase, salt);
      const entries = lines.map((line) => unseal(key, header, line, path));
      await writeFileAtomic(path, [header, ...lines].map((line) => `${line}\n`).join(''));
      const vault = new Vault(path, key, header, await open(path, 'a', 0o600), release);
      for (const entry of entries) vault.#entries.set(entry.deviceId, entry);
      return vault;
    } catch (error) {
      await release();
      if (isTpeError(error, 'FILE_READ_FAILED', 'FILE_WRITE_FAILED')) throw error;
      throw new TpeError('PROVISION_VAULT_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
    }
  }

  get(deviceId: string): VaultEntry | undefined {
    return this.#entries.get(deviceId);
  }

  all(): IterableIterator<VaultEntry> {
    return this.#entries.values();
  }

  /** Keeps a password; when this resolves it is on disk. */
  async add(entry: VaultEntry): Promise<void> {
    const turn = this.#turn.then(async () => {
      await this.#file.appendFile(seal(this.#key, this.#header, entry));
      await this.#file.datasync();
      this.#entries.set(entry.deviceId, entry);
    });
    this.#turn = turn.catch(() => undefined);
    try {
      await turn;
    } catch (error) {
      throw new TpeError(
        'FILE_WRITE_FAILED',
        { path: this.#path, reason: reasonOf(error) },
        { cause: error },
      );
    }
  }

  async close(): Promise<void> {
    await this.#turn;
    this.#key.fill(0);
    await this.#file.close();
    await this.#release();
  }
}
