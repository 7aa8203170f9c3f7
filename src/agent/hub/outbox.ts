import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { reasonOf } from '../../common/errors/tpe-error';
import { writeFileAtomic } from '../../common/fs/atomic-write';
import type { Logger } from '../../common/logger';
import { validate } from '../../common/validate';

const StoredMessage = Type.Object({
  /** JSON text. */
  body: Type.String(),
  properties: Type.Record(Type.String(), Type.String()),
  /** ISO 8601, when it was made. */
  createdAt: Type.String(),
});
export type HubMessage = Static<typeof StoredMessage>;

export interface OutboxLimits {
  readonly messages: number;
  readonly bytes: number;
}

const DEFAULT_LIMITS: OutboxLimits = { messages: 2000, bytes: 8 * 1024 * 1024 };
const FILE_NAME = /^(\d{12})\.json$/;

interface Entry {
  readonly sequence: number;
  readonly bytes: number;
}

/**
 * Messages that wait for a connection, one file each, so that they survive a restart and a power cut. Bounded: when it
 * is full the oldest go first.
 */
export class Outbox {
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #limits: OutboxLimits;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #lastSequence = 0;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, logger: Logger, limits: OutboxLimits) {
    this.#folder = folder;
    this.#logger = logger;
    this.#limits = limits;
  }

  static async open(folder: string, logger: Logger, limits: Partial<OutboxLimits> = {}): Promise<Outbox> {
    const outbox = new Outbox(folder, logger, { ...DEFAULT_LIMITS, ...limits });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of (await readdir(folder)).sort()) {
      const sequence = Number(FILE_NAME.exec(name)?.[1] ?? 0);
      // What has another name is a temporary file that a power cut left behind.
      if (sequence === 0) await rm(join(folder, name), { force: true });
      else outbox.#note(sequence, (await readFile(join(folder, name))).length);
    }
    return outbox;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** @throws FILE_WRITE_FAILED */
  async add(message: HubMessage): Promise<void> {
    await this.#inTurn(async () => {
      const text = JSON.stringify(message);
      const sequence = this.#lastSequence + 1;
      await writeFileAtomic(this.#path(sequence), text);
      this.#note(sequence, Buffer.byteLength(text));
      await this.#trim();
    });
  }

  /**
   * Hands the oldest message to `send` and deletes it when that resolves.
   * @returns false when there is none. Rejects with what `send` threw; the message stays then.
   */
  async sendOldest(send: (message: HubMessage) => Promise<void>): Promise<boolean> {
    return this.#inTurn(async () => {
      const oldest = this.#entries[0];
      if (oldest === undefined) return false;
      const message = await this.#read(oldest.sequence);
      if (message !== undefined) await send(message);
      await this.#drop(oldest);
      return true;
    });
  }

  async #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(task);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  #path(sequence: number): string {
    return join(this.#folder, `${String(sequence).padStart(12, '0')}.json`);
  }

  #note(sequence: number, bytes: number): void {
    this.#entries.push({ sequence, bytes });
    this.#bytes += bytes;
    this.#lastSequence = sequence;
  }

  async #drop(entry: Entry): Promise<void> {
    await rm(this.#path(entry.sequence), { force: true });
    this.#entries.shift();
    this.#bytes -= entry.bytes;
  }

  async #trim(): Promise<void> {
    let dropped = 0;
    for (;;) {
      const oldest = this.#entries[0];
      const full = this.#entries.length > this.#limits.messages || this.#bytes > this.#limits.bytes;
      if (!full || oldest === undefined) break;
      await this.#drop(oldest);
      dropped += 1;
    }
    if (dropped > 0) this.#logger.warn({ dropped }, 'the message store is full; the oldest messages went');
  }

  async #read(sequence: number): Promise<HubMessage | undefined> {
    try {
      const text = await readFile(this.#path(sequence), 'utf8');
      return validate(StoredMessage, JSON.parse(text), 'a stored message');
    } catch (error) {
      this.#logger.warn(
        { sequence, err: reasonOf(error) },
        'a stored message cannot be read and is left out',
      );
      return undefined;
    }
  }
}
