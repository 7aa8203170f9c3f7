import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, reasonOf } from '../../common/errors/tpe-error';
import { syncFolder } from '../../common/fs/atomic-write';
import { endsLine, lastRecord } from './audit-reader';

export interface AuditFilesOptions {
  readonly folder: string;
  /** The present file is `NAME.jsonl`, those put aside `NAME.1.jsonl` and so on. */
  readonly name: string;
  /** A file is put aside at this size. */
  readonly fileBytes: number;
  /** Files kept, the present one included. */
  readonly files: number;
  /** Told when writing begins to fail, and why; `undefined` when it works again. */
  readonly onChange: (failing: string | undefined) => void;
}

interface Pending {
  readonly line: string;
  readonly done: () => void;
}

const LONGEST_QUEUE = 4096;

/** Lines that are appended and never changed, in files that are rotated by size; the oldest file is deleted. */
export class AuditFiles {
  readonly #options: AuditFilesOptions;
  #handle: FileHandle | undefined;
  #size = 0;
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  #lost = 0;
  #failing: string | undefined;

  constructor(options: AuditFilesOptions) {
    this.#options = options;
  }

  /** Lines that could not be written. */
  get lost(): number {
    return this.#lost;
  }

  /** Why the last line could not be written; `undefined` when all is well. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** The present file and the ones put aside, newest first. */
  get paths(): string[] {
    const { folder, name, files } = this.#options;
    const aside = Array.from({ length: files - 1 }, (_each, i) => join(folder, `${name}.${i + 1}.jsonl`));
    return [join(folder, `${name}.jsonl`), ...aside];
  }

  /** Opens the present file; where that fails, the next line tries again. Waits for lines under way. */
  async open(): Promise<void> {
    this.#writing ??= this.#reopen();
    await this.#writing;
  }

  /** The id of the newest record; 0 where there is none, `undefined` while the files cannot be read. */
  async newestId(): Promise<number | undefined> {
    const [current = '', previous = ''] = this.paths;
    try {
      return ((await lastRecord(current)) ?? (await lastRecord(previous)))?.id ?? 0;
    } catch {
      // Told by whoever writes: what cannot be read there cannot be appended to, or is asked for again.
      return undefined;
    }
  }

  /** Resolves when the line is on disk, or lost. Never rejects. */
  async append(line: string): Promise<void> {
    if (this.#pending.length >= LONGEST_QUEUE) {
      this.#lost += 1;
      return;
    }
    await new Promise<void>((done) => {
      this.#pending.push({ line, done });
      this.#writing ??= this.#drain();
    });
  }

  /** Writes what is pending and closes the file. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #openFile(current: string): Promise<void> {
    await mkdir(this.#options.folder, { recursive: true, mode: 0o700 });
    const handle = await open(current, 'a', 0o600);
    const { size } = await handle.stat();
    // The line that a power cut tore must not swallow the next one.
    const torn = size > 0 && !(await endsLine(current, size));
    if (torn) await handle.appendFile('\n');
    // A file that was just made, or put aside, has to be found again after a power cut.
    if (size === 0) await syncFolder(this.#options.folder);
    this.#handle = handle;
    this.#size = size + (torn ? 1 : 0);
  }

  async #reopen(): Promise<void> {
    try {
      if (this.#handle === undefined) await this.#openFile(this.paths[0] ?? '');
      this.#tell(undefined);
    } catch (error) {
      this.#tell(reasonOf(error));
    }
    await this.#drain();
  }

  /** Writes everything that waits in one go: a storm costs one fsync for many lines. */
  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        await this.#write(batch.map(({ line }) => line).join(''));
        this.#tell(undefined);
      } catch (error) {
        this.#lost += batch.length;
        this.#tell(reasonOf(error));
      }
      for (const { done } of batch) done();
    }
    this.#writing = undefined;
  }

  async #write(text: string): Promise<void> {
    if (this.#handle === undefined) await this.#openFile(this.paths[0] ?? '');
    if (this.#size > 0 && this.#size + Buffer.byteLength(text) > this.#options.fileBytes)
      await this.#rotate();
    await this.#handle?.appendFile(text);
    await this.#handle?.datasync();
    this.#size += Buffer.byteLength(text);
  }

  async #rotate(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
    const { paths } = this;
    await rm(paths.at(-1) ?? '', { force: true });
    for (let i = paths.length - 2; i >= 0; i -= 1) {
      await rename(paths[i] ?? '', paths[i + 1] ?? '').catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return;
        throw error;
      });
    }
    await this.#openFile(paths[0] ?? '');
  }

  #tell(failing: string | undefined): void {
    const changed = (failing === undefined) !== (this.#failing === undefined);
    this.#failing = failing;
    if (changed) this.#options.onChange(failing);
    if (failing === undefined) return;
    void this.#handle?.close().catch(() => undefined);
    this.#handle = undefined;
  }
}
