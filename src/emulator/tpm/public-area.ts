import { type KeyObject, createHash, createPublicKey } from 'node:crypto';
import { TpeError } from '../../common/errors/tpe-error';
import { Alg, Reader, u16 } from './marshal';

/** An RSA-2048 storage key as TPMT_PUBLIC describes it (TPM 2.0 Part 2, 12.2.4). */
export interface StorageKey {
  readonly publicKey: KeyObject;
  /** nameAlg ‖ digest of TPMT_PUBLIC (Part 1, 16). */
  readonly name: Buffer;
}

/** restricted and decrypt (Part 2, 8.3): what makes a key a storage key. */
const STORAGE_ATTRIBUTES = 0x00010000 | 0x00020000;

const refuse = (reason: string): TpeError => new TpeError('EMU_TPM_KEY_INVALID', { reason });

/** The Name of an object: what binds a credential to it. */
export function objectName(tpmtPublic: Uint8Array): Buffer {
  return Buffer.concat([u16(Alg.SHA256), createHash('sha256').update(tpmtPublic).digest()]);
}

/**
 * Reads the base64 of a whole TPM2B_PUBLIC (with its two bytes of size), as enrollments and registrations carry it.
 * @throws EMU_TPM_KEY_INVALID for anything but an RSA-2048 storage key with SHA-256 and AES-128-CFB.
 */
export function parseStorageKey(base64: string): StorageKey {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) throw refuse('the key is not base64');
  const outer = new Reader(bytes);
  const tpmtPublic = outer.tpm2b();
  if (outer.left !== 0) throw refuse(`${outer.left} bytes follow the structure`);

  const reader = new Reader(tpmtPublic);
  if (reader.u16() !== Alg.RSA) throw refuse('the key is not an RSA key');
  if (reader.u16() !== Alg.SHA256) throw refuse('the name algorithm is not SHA-256');
  if ((reader.u32() & STORAGE_ATTRIBUTES) !== STORAGE_ATTRIBUTES)
    throw refuse('the key is not a storage key');
  reader.tpm2b();
  if (reader.u16() !== Alg.AES || reader.u16() !== 128 || reader.u16() !== Alg.CFB) {
    throw refuse('the symmetric algorithm is not AES-128-CFB');
  }
  if (reader.u16() !== Alg.NULL) throw refuse('a storage key has no signing scheme');
  if (reader.u16() !== 2048) throw refuse('the key does not have 2048 bits');
  const exponent = reader.u32();
  const modulus = reader.tpm2b();
  if (modulus.length !== 256) throw refuse('the modulus does not have 2048 bits');
  if (reader.left !== 0) throw refuse(`${reader.left} bytes follow the public area`);
  return { publicKey: rsaKey(modulus, exponent), name: objectName(tpmtPublic) };
}

function rsaKey(modulus: Buffer, exponent: number): KeyObject {
  const e = Buffer.alloc(4);
  // Part 2, 12.2.3.5: zero stands for the default exponent.
  e.writeUInt32BE(exponent === 0 ? 65537 : exponent);
  const firstByte = e.findIndex((byte) => byte !== 0);
  const jwk = {
    kty: 'RSA',
    n: modulus.toString('base64url'),
    e: e.subarray(firstByte).toString('base64url'),
  };
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch (error) {
    throw new TpeError('EMU_TPM_KEY_INVALID', { reason: 'the modulus is not usable' }, { cause: error });
  }
}
