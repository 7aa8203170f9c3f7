import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Static, TSchema } from '@sinclair/typebox';
import { StateFile } from '../../common/fs/state-file';

const ENDING = '.json';

/**
 * Records by id: in memory for reading, each in a crash-safe file of its own, so that one change costs the same
 * whether there is one device or a thousand.
 */
export class Collection<S extends TSchema> {
  readonly #folder: string;
  readonly #schema: S;
  readonly #records = new Map<string, { value: Static<S>; file: StateFile<S> }>();

  private constructor(folder: string, schema: S) {
    this.#folder = folder;
    this.#schema = schema;
  }

  /** @throws STATE_DAMAGED when a record cannot be read. */
  static async open<S extends TSchema>(folder: string, schema: S): Promise<Collection<S>> {
    const collection = new Collection(folder, schema);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const names = await readdir(folder);
    for (const name of names.filter((n) => n.endsWith(ENDING) && !n.startsWith('.'))) {
      const file = new StateFile(join(folder, name), schema);
      const value = await file.load();
      const id = decodeURIComponent(name.slice(0, -ENDING.length));
      if (value !== undefined) collection.#records.set(id, { value, file });
    }
    return collection;
  }

  get size(): number {
    return this.#records.size;
  }

  get(id: string): Static<S> | undefined {
    return this.#records.get(id)?.value;
  }

  values(): Static<S>[] {
    return [...this.#records.values()].map((record) => record.value);
  }

  /** Readers see the value at once; when this resolves it survives a power cut. */
  async put(id: string, value: Static<S>): Promise<void> {
    const record = this.#records.get(id) ?? { value, file: new StateFile(this.#path(id), this.#schema) };
    record.value = value;
    this.#records.set(id, record);
    await record.file.save(value);
  }

  async delete(id: string): Promise<boolean> {
    const record = this.#records.get(id);
    if (record === undefined) return false;
    this.#records.delete(id);
    // A save that is under way would bring the file back: it is queued before this one.
    await record.file.save(record.value);
    await rm(`${this.#path(id)}.twin`, { force: true });
    await rm(this.#path(id), { force: true });
    return true;
  }

  #path(id: string): string {
    // Ids may hold ':' and other signs that file systems or readers dislike; '.' alone must not lead elsewhere.
    return join(this.#folder, `${encodeURIComponent(id).replace(/^\./, '%2E')}${ENDING}`);
  }
}
