import { TpeError } from '../../common/errors/tpe-error';

/** TPM 2.0 Library specification Part 2: TPM_ALG_ID, the ones that DPS knows. */
export const Alg = {
  RSA: 0x0001,
  HMAC: 0x0005,
  AES: 0x0006,
  KEYEDHASH: 0x0008,
  SHA256: 0x000b,
  NULL: 0x0010,
  CFB: 0x0043,
} as const;

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A TPM2B: two bytes of size, then the content. */
export function tpm2b(...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([u16(content.length), content]);
}

/** Reads big-endian TPM structures; every read is bounded by what is there. */
export class Reader {
  #offset = 0;

  constructor(private readonly bytes: Buffer) {}

  get left(): number {
    return this.bytes.length - this.#offset;
  }

  take(size: number): Buffer {
    if (size > this.left) {
      throw new TpeError('EMU_TPM_KEY_INVALID', { reason: `${size} bytes expected, ${this.left} left` });
    }
    const part = this.bytes.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    return part;
  }

  u16(): number {
    return this.take(2).readUInt16BE();
  }

  u32(): number {
    return this.take(4).readUInt32BE();
  }

  tpm2b(): Buffer {
    return this.take(this.u16());
  }
}
