import { type Static, Type } from '@sinclair/typebox';
import { isTpeError, reasonOf } from '../../common/errors/tpe-error';
import { StateFile } from '../../common/fs/state-file';
import type { Logger } from '../../common/logger';
import type { NativeSlot } from './native-slot';
import type { WrappedKey } from './types';

const Base64 = Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', minLength: 4, maxLength: 4096 });
/** `parent`: name of the SRK that wraps the key. */
const Stored = Type.Object({ public: Base64, private: Base64, parent: Base64 });

/**
 * The attestation key: made at first use, kept wrapped in a file, made again when the SRK changed under it. It proves
 * possession only, so losing it costs nothing.
 */
export class AttestationKey {
  readonly #slot: NativeSlot;
  readonly #file: StateFile<typeof Stored> | undefined;
  readonly #logger: Logger | undefined;
  #key: Promise<WrappedKey> | undefined;
  /** The TPM takes the stored key no more, whatever its parent's name says. */
  #refused = false;

  /** @param path where it is kept; without one it lives as long as the process. */
  constructor(slot: NativeSlot, path: string | undefined, logger: Logger | undefined) {
    this.#slot = slot;
    this.#logger = logger;
    this.#file = path === undefined ? undefined : new StateFile(path, Stored);
  }

  async current(): Promise<WrappedKey> {
    this.#key ??= this.#load();
    try {
      return await this.#key;
    } catch (error) {
      this.#key = undefined;
      throw error;
    }
  }

  /** ActivateCredential with this key; a key that the TPM takes no more is replaced, and the caller has to ask again. */
  async activate(credentialBlob: Uint8Array, secret: Uint8Array): Promise<Buffer> {
    const key = await this.current();
    try {
      return await this.#slot.call('attest', (native) =>
        native.activateCredential(key.public, key.private, credentialBlob, secret),
      );
    } catch (error) {
      if (isTpeError(error, 'TPM_KEY_REFUSED')) {
        this.#refused = true;
        this.#key = undefined;
      }
      throw error;
    }
  }

  async #load(): Promise<WrappedKey> {
    const stored = this.#refused ? undefined : await this.#stored();
    if (stored === undefined || stored.parent !== (await this.#parent())) return await this.#make();
    return {
      public: Buffer.from(stored.public, 'base64'),
      private: Buffer.from(stored.private, 'base64'),
    };
  }

  async #stored(): Promise<Static<typeof Stored> | undefined> {
    try {
      return await this.#file?.load();
    } catch (error) {
      if (!isTpeError(error, 'STATE_DAMAGED')) throw error;
      this.#logger?.warn({ reason: reasonOf(error) }, 'the attestation key is damaged; another one is made');
      return undefined;
    }
  }

  async #make(): Promise<WrappedKey> {
    const key = await this.#slot.call('other', (native) => native.createAttestationKey());
    this.#refused = false;
    const stored = {
      public: key.public.toString('base64'),
      private: key.private.toString('base64'),
      parent: await this.#parent(),
    };
    try {
      await this.#file?.save(stored);
    } catch (error) {
      // A full disk must not keep the gateway from proving itself; the next start makes another key.
      this.#logger?.error({ reason: reasonOf(error) }, 'the attestation key could not be kept');
    }
    return key;
  }

  async #parent(): Promise<string> {
    const srk = await this.#slot.call('other', (native) => native.storageRootKey());
    return srk.name.toString('base64');
  }
}
