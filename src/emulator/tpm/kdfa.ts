import { createHmac } from 'node:crypto';
import { u32 } from './marshal';

/**
 * KDFa with SHA-256 (TPM 2.0 Part 1, 11.4.10.2, after SP 800-108): HMAC in counter mode over
 * counter ‖ label ‖ 00 ‖ contextU ‖ bits. contextV is empty wherever DPS needs it.
 * @param size of the key, in bytes.
 */
export function kdfa(key: Uint8Array, label: string, contextU: Uint8Array, size: number): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 1; blocks.length * 32 < size; counter += 1) {
    blocks.push(
      createHmac('sha256', key)
        .update(u32(counter))
        .update(`${label}\0`)
        .update(contextU)
        .update(u32(size * 8))
        .digest(),
    );
  }
  return Buffer.concat(blocks).subarray(0, size);
}
