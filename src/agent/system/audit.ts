import { join } from 'node:path';
import type { Clock } from '../../common/clock';
import { TpeError } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { AuditFiles } from './audit-files';
import { type AuditPage, type AuditQuery, queryFiles } from './audit-reader';
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
  /** The same, of what strangers were refused. */
  readonly strangersFiles?: number;
}

const DEFAULT_FILE_BYTES = 1024 * 1024;
const DEFAULT_FILES = 8;
const DEFAULT_STRANGERS_FILES = 2;

/** What is written of those who are known, or of strangers. */
interface Trail {
  readonly files: AuditFiles;
  readonly repetitions: Repetitions;
}

/**
 * The audit trail: JSON lines, appended and never changed, rotated by size, the oldest file deleted. What
 * {@link record} resolved for is on disk.
 *
 * What strangers are refused has files of its own, so that whatever they send can push out only that. Refusals and
 * failures that repeat are counted ({@link Repetitions}), for strangers and for users by themselves. What somebody who is
 * logged in changes is written each time, and would wash the trail out in the end: every record goes to the log, too,
 * from where it can leave the gateway. When the disk fails, {@link failing} says so and the agent goes on: a gateway that
 * cannot be managed any more would be the greater damage.
 */
export class AuditTrail {
  readonly #options: AuditOptions;
  readonly #log: Logger;
  readonly #users: Trail;
  readonly #strangers: Trail;
  #nextId = 1;
  /** Files whose ids are not known yet: whatever is written must come after them. */
  #unread: AuditFiles[];

  private constructor(options: AuditOptions) {
    this.#options = options;
    const { logger, files = DEFAULT_FILES, strangersFiles = DEFAULT_STRANGERS_FILES } = options;
    // Whatever else the log leaves out.
    this.#log = logger.child({ part: 'audit' }, logger.level === 'silent' ? {} : { level: 'info' });
    this.#users = this.#trail('audit', files);
    this.#strangers = this.#trail('strangers', strangersFiles);
    this.#unread = this.#files;
  }

  static async open(options: AuditOptions): Promise<AuditTrail> {
    const trail = new AuditTrail(options);
    await Promise.all(trail.#files.map(async (files) => files.open()));
    await trail.#readIds();
    return trail;
  }

  /** Why records of users, or else of strangers, cannot be written; `undefined` when all is well. */
  get failing(): string | undefined {
    return this.#users.files.failing ?? this.#strangers.files.failing;
  }

  /** Records that could not be written since the start. */
  get lost(): number {
    return this.#files.reduce((sum, { lost }) => sum + lost, 0);
  }

  /**
   * Writes a record; resolves when it is on disk, or lost (see {@link failing}). Never rejects.
   * @param ofStranger who did it is not logged in.
   */
  async record(event: AuditEvent, ofStranger = false): Promise<void> {
    const trail = ofStranger && event.result !== 'success' ? this.#strangers : this.#users;
    const first = event.result === 'success' ? event : trail.repetitions.admit(event);
    if (first !== undefined) await this.#write(trail.files, first, 1);
  }

  /** Newest first. */
  async query(query: AuditQuery): Promise<AuditPage> {
    return queryFiles(
      this.#files.map(({ paths }) => paths),
      query,
    );
  }

  /** Writes what is pending and closes the files. */
  async close(): Promise<void> {
    for (const { repetitions, files } of [this.#users, this.#strangers]) {
      repetitions.endAll();
      await files.close();
    }
  }

  get #files(): AuditFiles[] {
    return [this.#users.files, this.#strangers.files];
  }

  #trail(name: string, count: number): Trail {
    const { clock, folder, fileBytes = DEFAULT_FILE_BYTES, logger } = this.#options;
    const onChange = (failing: string | undefined): void => {
      if (failing === undefined) {
        logger.info(`the audit trail is written again: ${name}`);
        return;
      }
      const told = new TpeError('FILE_WRITE_FAILED', {
        path: join(folder, `${name}.jsonl`),
        reason: failing,
      });
      logger.error({ ...told.toJSON() }, 'the audit trail cannot be written');
    };
    const files = new AuditFiles({ folder, name, fileBytes, files: count, onChange });
    const repetitions = new Repetitions(clock, (event, more) => void this.#write(files, event, more));
    return { files, repetitions };
  }

  async #readIds(): Promise<void> {
    const asked = this.#unread;
    const newest = await Promise.all(asked.map(async (files) => files.newestId()));
    this.#nextId = Math.max(this.#nextId, ...newest.map((id) => (id ?? 0) + 1));
    const known = asked.filter((_files, i) => newest[i] !== undefined);
    this.#unread = this.#unread.filter((files) => !known.includes(files));
  }

  async #write(files: AuditFiles, event: AuditEvent, count: number): Promise<void> {
    if (this.#unread.length > 0) await this.#readIds();
    const record = boundedRecord({
      id: this.#nextId,
      at: new Date(this.#options.clock.now()).toISOString(),
      ...event,
      count,
    });
    this.#nextId += 1;
    this.#log.info({ audit: record }, `${record.result}: ${record.action}`);
    await files.append(`${JSON.stringify(record)}\n`);
    if (files.failing !== undefined) return;
    // The disk works again: what failed beside these files must not wait for its next record to say so.
    await Promise.all(
      this.#files.filter(({ failing }) => failing !== undefined).map(async (other) => other.open()),
    );
  }
}
