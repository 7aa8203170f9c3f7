import { TpeError, codeOf } from '../../common/errors/tpe-error';
import { type NativeOptions, type NativeTpm, loadAddon } from './native';
import { type Verb, toTpmError } from './native-errors';

/** How often a command under way is looked at. */
const WATCH_INTERVAL_MS = 250;
/** Threads that may wait for a silent TPM at the same time; further calls fail at once. */
const MOST_LEFT_BEHIND = 4;
/** What close() waits for commands under way. */
const CLOSE_PATIENCE_MS = 2000;

/**
 * Holds the addon's object for one TPM and replaces it when the TPM stays silent: the TCTI of a simulator cannot give
 * up by itself, and the thread that waits in it is left behind.
 */
export class NativeSlot {
  #options: NativeOptions;
  readonly #addon = loadAddon();
  #native: NativeTpm | undefined;
  #pending = 0;
  #watch: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /** @param options copied: the caller wipes the authorization values that it gave. */
  constructor(options: NativeOptions) {
    this.#options = withOwnAuthorizations(options);
  }

  /** Runs one verb. @throws the registry's TPM_* errors */
  async call<T>(verb: Verb, run: (native: NativeTpm) => Promise<T>): Promise<T> {
    if (this.#closing) throw new TpeError('TPM_CLOSED');
    this.#pending += 1;
    this.#watch ??= setInterval(() => this.#giveUpWhenOverdue(), WATCH_INTERVAL_MS).unref();
    try {
      return await run(this.#current());
    } catch (error) {
      throw this.#named(error, verb);
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) this.#stopWatching();
    }
  }

  /** What a replacement of the native object starts with. */
  remember(
    changed: Partial<
      Pick<NativeOptions, 'livePublic' | 'livePrivate' | 'expectedEkName' | 'ownerAuth' | 'endorsementAuth'>
    >,
  ): void {
    const before = this.#options;
    this.#options = withOwnAuthorizations({ ...before, ...changed });
    wipeAuthorizations(before);
  }

  /** Waits for what is queued, for a bounded time. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    wipeAuthorizations(this.#options);
    const native = this.#native;
    this.#native = undefined;
    if (!native) return;
    let patience: NodeJS.Timeout | undefined;
    const tired = new Promise<void>((resolve) => {
      patience = setTimeout(() => {
        native.abandon();
        resolve();
      }, CLOSE_PATIENCE_MS);
    });
    // Abandoned by us: then there is nothing to tell.
    const closed = native.close().catch((error: unknown) => {
      if (kindOf(error) !== 'abandoned') throw this.#named(error, 'other');
    });
    try {
      await Promise.race([closed, tired]);
    } finally {
      clearTimeout(patience);
      this.#stopWatching();
    }
  }

  #current(): NativeTpm {
    if (this.#native) return this.#native;
    const waiting = this.#addon.NativeTpm.leftBehind();
    if (waiting >= MOST_LEFT_BEHIND) {
      throw new TpeError('TPM_TIMEOUT', {
        command: 'the calls before',
        reason: `${waiting} calls still wait for it`,
      });
    }
    this.#native = new this.#addon.NativeTpm(this.#options);
    return this.#native;
  }

  #giveUpWhenOverdue(): void {
    if (!this.#native?.overdue()) return;
    const silent = this.#native;
    this.#native = undefined;
    silent.abandon();
  }

  #stopWatching(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #named(error: unknown, verb: Verb): TpeError {
    if (codeOf(error) === 'TPM_TIMEOUT') return error as TpeError;
    if (kindOf(error) === 'abandoned' && this.#closing)
      return new TpeError('TPM_CLOSED', {}, { cause: error });
    return toTpmError(error, verb, this.#options);
  }
}

function withOwnAuthorizations(options: NativeOptions): NativeOptions {
  const { ownerAuth, endorsementAuth } = options;
  return {
    ...options,
    ownerAuth: Uint8Array.from(ownerAuth),
    endorsementAuth: Uint8Array.from(endorsementAuth),
  };
}

function wipeAuthorizations({ ownerAuth, endorsementAuth }: NativeOptions): void {
  ownerAuth.fill(0);
  endorsementAuth.fill(0);
}

function kindOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'kind' in error ? error.kind : undefined;
}
