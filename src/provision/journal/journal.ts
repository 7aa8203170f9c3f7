import { type FileHandle, open, readFile } from 'node:fs/promises';
import { TpeError, codeOf, isTpeError, reasonOf } from '../../common/errors/tpe-error';
import { writeFileAtomic } from '../../common/fs/atomic-write';
import { validate } from '../../common/validate';
import type { Gateway } from '../device';
import { type Book, MemoryBook } from './book';
import { lockFile } from './lock';
import { type DeviceRecord, JournalEntry, JournalHeader } from './record';

const HEADER = `${JSON.stringify({ journal: 'tpe-provision', version: 1 })}\n`;
/** A journal with more lines than this a device is written anew when it is opened. */
const LINES_A_DEVICE = 8;

function lineOf(deviceId: string, set: Partial<DeviceRecord>): string {
  const entry: JournalEntry = { at: new Date().toISOString(), deviceId, set };
  return `${JSON.stringify(entry)}\n`;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

function replay(path: string, lines: readonly string[]): MemoryBook {
  const book = new MemoryBook();
  lines.forEach((line, index) => {
    try {
      if (index === 0) validate(JournalHeader, JSON.parse(line), path);
      else {
        const { deviceId, set } = validate(JournalEntry, JSON.parse(line), path);
        book.apply(deviceId, set);
      }
    } catch (error) {
      throw new TpeError(
        'PROVISION_JOURNAL_DAMAGED',
        { path, line: index + 1, reason: reasonOf(error) },
        { cause: error },
      );
    }
  });
  return book;
}

async function linesOf(path: string): Promise<string[]> {
  const lines = (await textOf(path)).split('\n');
  // What follows the last newline was being written when the process was killed; it never counted.
  lines.pop();
  return lines;
}

/**
 * What a journal says, without touching it or minding a run that writes it; empty where there is none.
 * @throws PROVISION_JOURNAL_DAMAGED, FILE_READ_FAILED
 */
export async function readJournal(path: string): Promise<Book> {
  return replay(path, await linesOf(path));
}

/**
 * The book of a job in a file that only grows: one JSON line a change, on disk before the change counts as made. After
 * a kill at any moment the next run goes on where this one was.
 */
export class Journal implements Book {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #book: MemoryBook;
  readonly #release: () => Promise<void>;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;
  #broken: unknown;

  private constructor(path: string, file: FileHandle, book: MemoryBook, release: () => Promise<void>) {
    this.#path = path;
    this.#file = file;
    this.#book = book;
    this.#release = release;
  }

  /** @throws PROVISION_JOURNAL_IN_USE, PROVISION_JOURNAL_DAMAGED, FILE_READ_FAILED, FILE_WRITE_FAILED */
  static async open(path: string): Promise<Journal> {
    const release = await lockFile(path);
    try {
      const lines = await linesOf(path);
      const book = replay(path, lines);
      const devices = [...book.all()];
      const compact = lines.length > LINES_A_DEVICE * devices.length + 1;
      const kept = compact ? devices.map((record) => lineOf(record.gateway.deviceId, record)) : undefined;
      const text = kept === undefined ? lines.map((line) => `${line}\n`).join('') : HEADER + kept.join('');
      await writeFileAtomic(path, text === '' ? HEADER : text);
      return new Journal(path, await open(path, 'a', 0o600), book, release);
    } catch (error) {
      await release();
      if (isTpeError(error)) throw error;
      throw new TpeError('FILE_WRITE_FAILED', { path, reason: reasonOf(error) }, { cause: error });
    }
  }

  get(deviceId: string): DeviceRecord | undefined {
    return this.#book.get(deviceId);
  }

  all(): IterableIterator<DeviceRecord> {
    return this.#book.all();
  }

  holderOf(endorsementKey: string): DeviceRecord | undefined {
    return this.#book.holderOf(endorsementKey);
  }

  async found(gateway: Gateway): Promise<DeviceRecord> {
    return this.update(gateway.deviceId, { gateway });
  }

  async update(deviceId: string, change: Partial<DeviceRecord>): Promise<DeviceRecord> {
    this.#waiting.push(lineOf(deviceId, change));
    // One fsync serves all changes that came in while the one before was under way.
    while (this.#writing !== undefined) await this.#writing;
    if (this.#waiting.length > 0) {
      this.#writing = this.#write().finally(() => (this.#writing = undefined));
      await this.#writing;
    }
    if (this.#broken !== undefined) throw this.#failed();
    return this.#book.update(deviceId, change);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
    await this.#release();
  }

  async #write(): Promise<void> {
    const text = this.#waiting.join('');
    this.#waiting = [];
    if (this.#broken !== undefined) return;
    try {
      await this.#file.appendFile(text);
      await this.#file.datasync();
    } catch (error) {
      // A half-written line would damage what comes after it, so nothing more is written.
      this.#broken = error;
    }
  }

  #failed(): TpeError {
    const details = { path: this.#path, reason: reasonOf(this.#broken) };
    return new TpeError('PROVISION_JOURNAL_NOT_WRITTEN', details, { cause: this.#broken });
  }
}
