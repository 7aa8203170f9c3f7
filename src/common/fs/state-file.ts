import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { TpeError, codeOf, reasonOf } from '../errors/tpe-error';
import { validate } from '../validate';
import { writeFileAtomic } from './atomic-write';

const Envelope = Type.Object({
  format: Type.Literal(1),
  generation: Type.Integer({ minimum: 1 }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  data: Type.Unknown(),
});

interface Copy<T> {
  generation: number;
  value: T;
  text: string;
}

type Reading<T> = { copy: Copy<T> } | { absent: true } | { damaged: string };

/** Never longer than any state of ours; a larger file is not ours. */
const LARGEST_STATE_BYTES = 4 * 1024 * 1024;

/** What is under way on each file, whichever object of this process it came through. */
const queues = new Map<string, Promise<void>>();

/** Runs tasks on one file one after the other: a load that mends would undo a save that has written the twin only. */
async function inTurn<T>(path: string, task: () => Promise<T>): Promise<T> {
  const turn = (queues.get(path) ?? Promise.resolve()).then(task);
  const over = turn.then(
    () => undefined,
    () => undefined,
  );
  queues.set(path, over);
  try {
    return await turn;
  } finally {
    if (queues.get(path) === over) queues.delete(path);
  }
}

/**
 * One JSON value on disk that survives a power cut at any moment, kept twice.
 *
 * The twin is written first and the main file last, so the twin is never older than the main file: when the main file
 * is damaged the twin is read, and nothing ever falls back to an older generation (an older accounts file would bring
 * a revoked password back). The rename of the main file is the commit.
 */
export class StateFile<S extends TSchema> {
  readonly #path: string;
  readonly #schema: S;
  #generation = 0;

  constructor(path: string, schema: S) {
    this.#path = path;
    this.#schema = schema;
  }

  get path(): string {
    return this.#path;
  }

  /**
   * The committed value; `undefined` when the file was never written. A missing, damaged or older twin is mended.
   * @throws STATE_DAMAGED when neither copy can be read: the caller must not go on as if it were new.
   */
  async load(): Promise<Static<S> | undefined> {
    return inTurn(this.#path, () => this.#load());
  }

  /** Commits a value. When this resolves it survives a power cut. Concurrent calls are carried out in order. */
  async save(value: Static<S>): Promise<void> {
    await inTurn(this.#path, () => this.#write(value));
  }

  get #twinPath(): string {
    return `${this.#path}.twin`;
  }

  async #load(): Promise<Static<S> | undefined> {
    const [main, twin] = await Promise.all([this.#read(this.#path), this.#read(this.#twinPath)]);
    if ('absent' in main && 'absent' in twin) return undefined;
    const good = 'copy' in main ? main.copy : 'copy' in twin ? twin.copy : undefined;
    if (good === undefined) {
      const reason = 'damaged' in main ? main.damaged : 'damaged' in twin ? twin.damaged : 'missing';
      throw new TpeError('STATE_DAMAGED', { path: this.#path, reason });
    }
    this.#generation = good.generation;
    if (!('copy' in twin) || twin.copy.text !== good.text) await writeFileAtomic(this.#twinPath, good.text);
    if (!('copy' in main)) await writeFileAtomic(this.#path, good.text);
    return good.value;
  }

  async #write(value: Static<S>): Promise<void> {
    validate(this.#schema, value, this.#path);
    const data = JSON.stringify(value);
    const generation = this.#generation + 1;
    const sha256 = createHash('sha256').update(data).digest('hex');
    const text = `{"format":1,"generation":${generation},"sha256":"${sha256}","data":${data}}\n`;
    await writeFileAtomic(this.#twinPath, text);
    await writeFileAtomic(this.#path, text);
    this.#generation = generation;
  }

  async #read(path: string): Promise<Reading<Static<S>>> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { absent: true };
      if (codeOf(error) === 'EACCES') {
        throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
      }
      return { damaged: reasonOf(error) };
    }
    try {
      if (text.length > LARGEST_STATE_BYTES) return { damaged: 'the file is too large' };
      const envelope = validate(Envelope, JSON.parse(text), path);
      // JSON.stringify of parsed JSON gives back the same text that save() hashed.
      const sha256 = createHash('sha256').update(JSON.stringify(envelope.data)).digest('hex');
      if (sha256 !== envelope.sha256) return { damaged: 'the checksum does not fit' };
      return {
        copy: { generation: envelope.generation, value: validate(this.#schema, envelope.data, path), text },
      };
    } catch (error) {
      return { damaged: reasonOf(error) };
    }
  }
}
