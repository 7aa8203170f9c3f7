import { createHash } from 'node:crypto';

/** Object attributes, TPM 2.0 Part 2, 8.3. */
export const ATTRIBUTES = {
  fixedTPM: 1 << 1,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

const ALG_RSA = 0x0001;
const ALG_SHA256 = 0x000b;
const ALG_NULL = 0x0010;
const ALG_ECC = 0x0023;

/** The only exponent that is believed: with 1, what is "encrypted" to a key lies open (NIST SP 800-56B: at least 65537). */
export const RSA_EXPONENT = 65_537;

/** A TPM2B_PUBLIC taken apart (TPM 2.0 Part 2, 12.2.4 and 12.2.5), as far as trust needs it. */
export interface PublicArea {
  readonly type: 'rsa' | 'ecc';
  readonly attributes: number;
  /** Name: nameAlg ‖ SHA-256 of TPMT_PUBLIC, 34 bytes. */
  readonly name: Buffer;
  /** Key size of the symmetric cipher of a storage key in bits; 0 for none. */
  readonly symmetricBits: number;
  /** RSA: modulus and exponent. */
  readonly rsa?: { readonly modulus: Buffer; readonly exponent: number };
}

class Reader {
  #at = 0;
  constructor(readonly bytes: Buffer) {}
  u16(): number {
    const value = this.bytes.readUInt16BE(this.#at);
    this.#at += 2;
    return value;
  }
  u32(): number {
    const value = this.bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }
  sized(): Buffer {
    const size = this.u16();
    if (this.#at + size > this.bytes.length) throw new RangeError('a size field points past the end');
    const value = this.bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return value;
  }
  get left(): number {
    return this.bytes.length - this.#at;
  }
}

/** @throws RangeError with a sentence that says what does not fit. */
export function parsePublicArea(bytes: Buffer): PublicArea {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== bytes.length - 2) {
    throw new RangeError('its size field does not fit its length');
  }
  const area = bytes.subarray(2);
  const reader = new Reader(area);
  const type = reader.u16();
  if (type !== ALG_RSA && type !== ALG_ECC)
    throw new RangeError(`key type 0x${type.toString(16)} is not known`);
  if (reader.u16() !== ALG_SHA256) throw new RangeError('its name algorithm is not SHA-256');
  const attributes = reader.u32();
  reader.sized();
  const symmetric = reader.u16();
  const symmetricBits = symmetric === ALG_NULL ? 0 : reader.u16();
  if (symmetric !== ALG_NULL) reader.u16();
  if (reader.u16() !== ALG_NULL) reader.u16();
  const name = Buffer.concat([Buffer.of(0, ALG_SHA256), createHash('sha256').update(area).digest()]);
  if (type === ALG_ECC) return { type: 'ecc', attributes, name, symmetricBits };
  const bits = reader.u16();
  // The TPM writes 0 for its default, 65537 (Part 2, 12.2.3.5).
  const exponent = reader.u32() || RSA_EXPONENT;
  const modulus = reader.sized();
  if (reader.left !== 0 || modulus.length * 8 !== bits) throw new RangeError('its modulus does not fit');
  return { type: 'rsa', attributes, name, symmetricBits, rsa: { modulus, exponent } };
}

/**
 * Checks that base64 text is an endorsement key that DPS takes: RSA-2048 with exponent 65537, fixed to its TPM,
 * restricted decryption.
 * @returns why not, or `undefined`.
 */
export function endorsementKeyProblem(base64: string): string | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return 'it is not base64';
  try {
    const area = parsePublicArea(Buffer.from(base64, 'base64'));
    if (area.rsa?.modulus.length !== 256) return 'it is not RSA-2048';
    if (area.rsa.exponent !== RSA_EXPONENT) return `its exponent is not ${RSA_EXPONENT}`;
    const wanted = ATTRIBUTES.fixedTPM | ATTRIBUTES.fixedParent | ATTRIBUTES.restricted | ATTRIBUTES.decrypt;
    if ((area.attributes & wanted) !== wanted) return 'its attributes are not those of a key fixed to a TPM';
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
