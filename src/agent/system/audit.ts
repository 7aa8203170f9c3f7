import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../common/clock';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { syncFolder } from '../../common/fs/atomic-write';
import type { Logger } from '../../common/logger';
import { type AuditPage, type AuditQuery, endsLine, lastRecord, queryFiles } from './audit-reader';
import { type AuditEvent, boundedRecord } from './audit-record';
import { Repetitions } from './audit-repetitions';

export type { AuditEvent, AuditRecord } from './audit-record';
export type { AuditPage, AuditQuery } from './audit-reader';

export interface AuditOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A file is put aside at this size. */
  readonly fileBytes?: number;
  /** Files kept, the present one included. */
  readonly files?: number;
}

interface Pending {
  readonly line: string;
  readonly done: () => void;
}

const DEFAULT_FILE_BYTES = 1024 * 1024;
const DEFAULT_FILES = 8;
const LONGEST_QUEUE = 4096;

/**
 * The audit trail: JSON lines, appended and never changed, rotated by size, the oldest file deleted. What
 * {@link record} resolved for is on disk.
 *
 * Refusals and failures that repeat are counted ({@link Repetitions}), so that a storm of wrong logins cannot wash the
 * trail out. What somebody who is logged in changes is written each time, and would wash it out in the end: every record
 * goes to the log, too, from where it can leave the gateway. When the disk fails, {@link failing} says so and the agent
 * goes on: a gateway that cannot be managed any more would be the greater damage.
 */
export class AuditTrail {
  readonly #options: AuditOptions;
  readonly #log: Logger;
  readonly #repetitions: Repetitions;
  #handle: FileHandle | undefined;
  #size = 0;
  #nextId = 1;
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  #failing: string | undefined;
  #lost = 0;

  private constructor(options: AuditOptions) {
    this.#options = options;
    const { clock, logger } = options;
    // Whatever else the log leaves out.
    this.#log = logger.child({ part: 'audit' }, logger.level === 'silent' ? {} : { level: 'info' });
    this.#repetitions = new Repetitions(clock, (event, more) => void this.#write(event, more));
  }

  static async open(options: AuditOptions): Promise<AuditTrail> {
    const trail = new AuditTrail(options);
    try {
      await trail.#openFile();
    } catch (error) {
      trail.#fail(error);
    }
    return trail;
  }

  /** Why records cannot be written; `undefined` when all is well. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** Records that could not be written since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Writes a record; resolves when it is on disk, or lost (see {@link failing}). Never rejects. */
  async record(event: AuditEvent): Promise<void> {
    const first = event.result === 'success' ? event : this.#repetitions.admit(event);
    if (first !== undefined) await this.#write(first, 1);
  }

  /** Newest first. */
  async query(query: AuditQuery): Promise<AuditPage> {
    return queryFiles(this.#paths(), query);
  }

  /** Writes what is pending and closes the file. */
  async close(): Promise<void> {
    this.#repetitions.endAll();
    await this.#writing;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** The present file and the ones put aside, newest first. */
  #paths(): string[] {
    const { folder, files = DEFAULT_FILES } = this.#options;
    const aside = Array.from({ length: files - 1 }, (_each, i) => join(folder, `audit.${i + 1}.jsonl`));
    return [join(folder, 'audit.jsonl'), ...aside];
  }

  async #openFile(): Promise<void> {
    await mkdir(this.#options.folder, { recursive: true, mode: 0o700 });
    const [current = '', previous = ''] = this.#paths();
    const handle = await open(current, 'a', 0o600);
    const { size } = await handle.stat();
    const last = (await lastRecord(current)) ?? (await lastRecord(previous));
    this.#nextId = Math.max(this.#nextId, (last?.id ?? 0) + 1);
    // The line that a power cut tore must not swallow the next one.
    const torn = size > 0 && !(await endsLine(current, size));
    if (torn) await handle.appendFile('\n');
    // A file that was just made, or put aside, has to be found again after a power cut.
    if (size === 0) await syncFolder(this.#options.folder);
    this.#handle = handle;
    this.#size = size + (torn ? 1 : 0);
  }

  async #write(event: AuditEvent, count: number): Promise<void> {
    const record = boundedRecord({
      id: this.#nextId,
      at: new Date(this.#options.clock.now()).toISOString(),
      ...event,
      count,
    });
    this.#nextId += 1;
    this.#log.info({ audit: record }, `${record.result}: ${record.action}`);
    if (this.#pending.length >= LONGEST_QUEUE) {
      this.#lost += 1;
      return;
    }
    await new Promise<void>((done) => {
      this.#pending.push({ line: `${JSON.stringify(record)}\n`, done });
      this.#writing ??= this.#drain();
    });
  }

  /** Writes everything that waits in one go: a storm costs one fsync for many records. */
  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        await this.#append(batch.map(({ line }) => line).join(''));
        if (this.#failing !== undefined) this.#options.logger.info('the audit trail is written again');
        this.#failing = undefined;
      } catch (error) {
        this.#lost += batch.length;
        this.#fail(error);
      }
      for (const { done } of batch) done();
    }
    this.#writing = undefined;
  }

  async #append(text: string): Promise<void> {
    if (this.#handle === undefined) await this.#openFile();
    if (
      this.#size > 0 &&
      this.#size + Buffer.byteLength(text) > (this.#options.fileBytes ?? DEFAULT_FILE_BYTES)
    ) {
      await this.#rotate();
    }
    await this.#handle?.appendFile(text);
    await this.#handle?.datasync();
    this.#size += Buffer.byteLength(text);
  }

  async #rotate(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
    const paths = this.#paths();
    await rm(paths.at(-1) ?? '', { force: true });
    for (let i = paths.length - 2; i >= 0; i -= 1) {
      await rename(paths[i] ?? '', paths[i + 1] ?? '').catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return;
        throw error;
      });
    }
    await this.#openFile();
  }

  #fail(error: unknown): void {
    const first = this.#failing === undefined;
    this.#failing = reasonOf(error);
    if (first) {
      const told = new TpeError('FILE_WRITE_FAILED', { path: this.#options.folder, reason: reasonOf(error) });
      this.#options.logger.error({ ...told.toJSON() }, 'the audit trail cannot be written');
    }
    void this.#handle?.close().catch(() => undefined);
    this.#handle = undefined;
  }
}
