import { createHmac, randomBytes } from 'node:crypto';
import { TpeError } from '../../src/common/errors/tpe-error';
import type { Tpm, TpmInfo, WrappedKey } from '../../src/agent/tpm/types';

/**
 * Stands in for the TPM where a test is about the network or the state machine: a "blob" is the HMAC key itself.
 * What a TPM does with a blob is tested against swtpm.
 */
export class SoftTpm implements Tpm {
  /** Changes with TPM2_Clear: keys wrapped before cannot be loaded any more. */
  #era = 1;
  #live: Buffer | undefined;
  signatures = 0;
  /** The next calls of this verb fail. */
  failing = new Map<'sign' | 'signWith' | 'activateIdentityKey' | 'loadIdentityKey', number>();

  clear(): void {
    this.#era += 1;
    this.#live = undefined;
  }

  async info(): Promise<TpmInfo> {
    return Promise.reject(new TpeError('INTERNAL', { reason: 'not part of this stand-in' }));
  }

  async endorsementKey() {
    return Promise.resolve({
      public: Buffer.from('EK public'),
      name: Buffer.from('EK name'),
      template: 'tcg' as const,
      persistent: false,
    });
  }

  async storageRootKey() {
    return Promise.resolve({ public: Buffer.from(`SRK ${this.#era}`), name: Buffer.from(`SRK name`) });
  }

  async activateIdentityKey(blob: Uint8Array): Promise<WrappedKey> {
    this.#mayFail('activateIdentityKey');
    return Promise.resolve({
      public: Buffer.from(`era ${this.#era}`),
      private: Buffer.from(blob),
    });
  }

  async signWith(key: WrappedKey, data: Uint8Array): Promise<Buffer> {
    this.#mayFail('signWith');
    return Promise.resolve(createHmac('sha256', this.#unwrap(key)).update(data).digest());
  }

  async loadIdentityKey(key: WrappedKey): Promise<void> {
    this.#mayFail('loadIdentityKey');
    this.#live = this.#unwrap(key);
    return Promise.resolve();
  }

  async sign(data: Uint8Array): Promise<Buffer> {
    this.#mayFail('sign');
    if (this.#live === undefined) throw new TpeError('INTERNAL', { reason: 'no key is loaded' });
    this.signatures += 1;
    return Promise.resolve(createHmac('sha256', this.#live).update(data).digest());
  }

  async random(bytes: number): Promise<Buffer> {
    return Promise.resolve(randomBytes(bytes));
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }

  #unwrap(key: WrappedKey): Buffer {
    if (key.public.toString() !== `era ${this.#era}`) {
      throw new TpeError('TPM_KEY_REFUSED', { command: 'TPM2_Load', hex: '0x000001df' });
    }
    return key.private;
  }

  #mayFail(verb: 'sign' | 'signWith' | 'activateIdentityKey' | 'loadIdentityKey'): void {
    const left = this.failing.get(verb) ?? 0;
    if (left === 0) return;
    this.failing.set(verb, left - 1);
    throw new TpeError('INTERNAL', { reason: `${verb} fails as the test asked` });
  }
}
