import type { WrappedKey } from '../../src/agent/tpm/types';
import { newSoftTpm } from './soft-tpm';
import { SoftTpm } from './tpm-double';

/**
 * Opens the blobs of DPS with node:crypto: for storms, where hundreds of TPMs are needed and none is under test.
 * All of them share one EK and one SRK, because making RSA keys takes long.
 */
export class NodeTpm extends SoftTpm {
  static readonly #keys = newSoftTpm();

  override async endorsementKey() {
    const area = Buffer.from(NodeTpm.#keys.endorsementKey, 'base64');
    return Promise.resolve({
      public: area,
      name: Buffer.from('EK name'),
      template: 'tcg' as const,
      persistent: false,
    });
  }

  override async storageRootKey() {
    const area = Buffer.from(NodeTpm.#keys.storageRootKey, 'base64');
    return Promise.resolve({ public: area, name: Buffer.from('SRK name') });
  }

  override async activateIdentityKey(blob: Uint8Array): Promise<WrappedKey> {
    const key = NodeTpm.#keys.open(Buffer.from(blob).toString('base64'));
    return super.activateIdentityKey(key);
  }
}
