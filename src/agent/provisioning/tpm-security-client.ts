import type { TpmSecurityClient } from 'azure-iot-provisioning-device/dist/interfaces';
import { TpeError, toTpeError } from '../../common/errors/tpe-error';
import type { Tpm, WrappedKey } from '../tpm/types';

/** Node callbacks in the SDK's declaration ask for an Error even where there is none. */
const NO_ERROR = null as unknown as Error;

/**
 * The TPM as azure-iot-provisioning-device wants to see it; good for one attempt. The SDK activates two keys through
 * the same call: the first is the challenge key, which only signs the registration token, the second the hub key.
 * Neither replaces a key in use: that is for whoever commits the registration.
 */
export class RegistrationSecurityClient implements TpmSecurityClient {
  readonly #tpm: Tpm;
  readonly #registrationId: string;
  #challengeKey: WrappedKey | undefined;
  #hubKey: WrappedKey | undefined;

  constructor(tpm: Tpm, registrationId: string) {
    this.#tpm = tpm;
    this.#registrationId = registrationId;
  }

  /** The second key that was activated; `undefined` until the registration is through. */
  get hubKey(): WrappedKey | undefined {
    return this.#hubKey;
  }

  /** HMAC-SHA256 with the challenge key. */
  async sign(data: Uint8Array): Promise<Buffer> {
    if (this.#challengeKey === undefined) {
      throw new TpeError('INTERNAL', { reason: 'nothing was activated before signing' });
    }
    return this.#tpm.signWith(this.#challengeKey, data);
  }

  getEndorsementKey(callback: (error: Error, endorsementKey?: Buffer) => void): void {
    this.#tpm.endorsementKey().then(
      (key) => callback(NO_ERROR, key.public),
      (error: unknown) => callback(toTpeError(error)),
    );
  }

  getStorageRootKey(callback: (error: Error, storageRootKey?: Buffer) => void): void {
    this.#tpm.storageRootKey().then(
      (key) => callback(NO_ERROR, key.public),
      (error: unknown) => callback(toTpeError(error)),
    );
  }

  signWithIdentity(toSign: Buffer, callback: (error: Error, signedData?: Buffer) => void): void {
    this.sign(toSign).then(
      (signature) => callback(NO_ERROR, signature),
      (error: unknown) => callback(toTpeError(error)),
    );
  }

  activateIdentityKey(key: Buffer, callback: (error: Error) => void): void {
    this.#tpm.activateIdentityKey(key).then(
      (wrapped) => {
        if (this.#challengeKey === undefined) this.#challengeKey = wrapped;
        else this.#hubKey = wrapped;
        callback(NO_ERROR);
      },
      (error: unknown) => callback(toTpeError(error)),
    );
  }

  getRegistrationId(callback: (error: Error, registrationId?: string) => void): void {
    callback(NO_ERROR, this.#registrationId);
  }
}
