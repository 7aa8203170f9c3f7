import { type KeyObject, generateKeyPairSync } from 'node:crypto';

/** PolicySecret(ENDORSEMENT), the policy of the standard EK template. */
const EK_POLICY = '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa';

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const sized = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);

function modulusOf(key: KeyObject): Buffer {
  return Buffer.from(String(key.export({ format: 'jwk' }).n), 'base64url');
}

/** TPM2B_PUBLIC of an RSA-2048 storage key: the EK template with policy, the SRK template without. */
export function rsaStoragePublic(key: KeyObject, kind: 'ek' | 'srk'): Buffer {
  const policy = kind === 'ek' ? Buffer.from(EK_POLICY, 'hex') : Buffer.alloc(0);
  return sized(
    Buffer.concat([
      u16(0x0001),
      u16(0x000b),
      u32(kind === 'ek' ? 0x000300b2 : 0x00030472),
      sized(policy),
      // AES-128-CFB, no scheme, 2048 bits, default exponent.
      u16(0x0006),
      u16(128),
      u16(0x0043),
      u16(0x0010),
      u16(2048),
      u32(0),
      sized(modulusOf(key)),
    ]),
  );
}

/** TPM2B_PUBLIC of an ECC P-256 attestation key (restricted signing, ECDSA with SHA-256). */
export function attestationPublic(key: KeyObject, attributes = 0x00050472): Buffer {
  const jwk = key.export({ format: 'jwk' });
  const [x, y] = [jwk.x, jwk.y].map((part) => Buffer.from(String(part), 'base64url'));
  return sized(
    Buffer.concat([
      u16(0x0023),
      u16(0x000b),
      u32(attributes),
      sized(Buffer.alloc(0)),
      u16(0x0010),
      u16(0x0018),
      u16(0x000b),
      u16(0x0003),
      u16(0x0010),
      sized(x!),
      sized(y!),
    ]),
  );
}

export interface StorageKey {
  readonly privateKey: KeyObject;
  /** TPM2B_PUBLIC. */
  readonly public: Buffer;
}

export function generateStorageKey(kind: 'ek' | 'srk'): StorageKey {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { privateKey: pair.privateKey, public: rsaStoragePublic(pair.publicKey, kind) };
}
