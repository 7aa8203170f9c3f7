import {
  type Stats,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, basename, join } from 'node:path';
import { crc32 } from 'node:zlib';

const CHECKSUM_BYTES = 4;
const WRITABLE_BY_OTHERS = 0o022;

function checksum(data: Buffer): Buffer {
  const bytes = Buffer.alloc(CHECKSUM_BYTES);
  bytes.writeUInt32BE(crc32(data));
  return bytes;
}

/** What V8 runs without looking at it must come from nobody but us. */
function isOurs({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & WRITABLE_BY_OTHERS) === 0;
}

/**
 * Bytecode of a program on disk. V8 itself checks its version, its flags and the length of the source, not the
 * bytecode: a file torn by a power cut would crash the process, so it carries a checksum of its own.
 */
export class CodeCache {
  readonly #path: string;
  readonly #family: string;

  /** @param build identifies the source; files of other builds of the same program are removed when one is written. */
  constructor(folder: string, program: string, build: string) {
    this.#family = `${program}-`;
    this.#path = join(folder, `${this.#family}${build}-${process.version}-${process.arch}.code`);
  }

  /** `undefined` where there is none that can be trusted. */
  read(): Buffer | undefined {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
      if (!isOurs(fstatSync(descriptor))) return undefined;
      const file = readFileSync(descriptor);
      const data = file.subarray(CHECKSUM_BYTES);
      return checksum(data).equals(file.subarray(0, CHECKSUM_BYTES)) ? data : undefined;
    } catch {
      // Not there yet, or not readable: the program is compiled as if there never was one.
      return undefined;
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  /** @throws what the file system says */
  write(data: Buffer): void {
    const folder = dirname(this.#path);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder)) {
      if (name.startsWith(this.#family)) rmSync(join(folder, name), { force: true });
    }
    const temporary = join(folder, `${basename(this.#path)}.${process.pid}`);
    writeFileSync(temporary, Buffer.concat([checksum(data), data]), { mode: 0o600, flag: 'wx' });
    renameSync(temporary, this.#path);
  }
}
