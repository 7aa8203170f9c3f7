import type { Static, TSchema } from '@sinclair/typebox';
import { StateFile } from './state-file';

/**
 * A value in memory and its {@link StateFile}. Changes are applied one after the other, each to what the one before
 * has committed; a change that cannot be written has not happened.
 */
export class StoredValue<S extends TSchema> {
  readonly #file: StateFile<S>;
  #value: Static<S>;
  #changes: Promise<unknown> = Promise.resolve();

  constructor(file: StateFile<S>, value: Static<S>) {
    this.#file = file;
    this.#value = value;
  }

  /** Reads the file; `fallback` holds, unwritten, until the first change.
   * @throws STATE_DAMAGED */
  static async open<S extends TSchema>(
    path: string,
    schema: S,
    fallback: Static<S>,
  ): Promise<StoredValue<S>> {
    const file = new StateFile(path, schema);
    return new StoredValue(file, (await file.load()) ?? fallback);
  }

  get value(): Static<S> {
    return this.#value;
  }

  /**
   * Commits a change: `edit` gets a copy, and gives back the new value or throws to leave everything as it is.
   * @param committed runs in the same turn, after the commit.
   * @throws FILE_WRITE_FAILED, and whatever `edit` throws.
   */
  async update(
    edit: (copy: Static<S>) => Static<S>,
    committed: (value: Static<S>) => void | Promise<void> = () => undefined,
  ): Promise<Static<S>> {
    const turn = this.#changes.then(async () => {
      const next = edit(structuredClone(this.#value));
      await this.#file.save(next);
      this.#value = next;
      await committed(next);
      return next;
    });
    this.#changes = turn.catch(() => undefined);
    return turn;
  }
}
