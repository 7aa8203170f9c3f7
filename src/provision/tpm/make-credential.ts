import {
  constants,
  createCipheriv,
  createHmac,
  createPublicKey,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { TpeError } from '../../common/errors/tpe-error';
import { type PublicArea, RSA_EXPONENT } from './public-area';

/** What TPM2_ActivateCredential takes. */
export interface MadeCredential {
  /** TPM2B_ID_OBJECT. */
  readonly credentialBlob: Buffer;
  /** TPM2B_ENCRYPTED_SECRET. */
  readonly secret: Buffer;
}

const SEED_BYTES = 32;
/** The trailing NUL is part of the label (TPM 2.0 Part 1, B.4). */
const IDENTITY_LABEL = Buffer.from('IDENTITY\0');

function sized(bytes: Buffer): Buffer {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

/** KDFa with SHA-256 for at most 256 bits: one round of the counter mode (TPM 2.0 Part 1, 11.4.10.2). */
function kdfa(key: Buffer, label: string, context: Buffer, bits: number): Buffer {
  const [counter, length] = [Buffer.alloc(4), Buffer.alloc(4)];
  counter.writeUInt32BE(1);
  length.writeUInt32BE(bits);
  const digest = createHmac('sha256', key)
    .update(counter)
    .update(`${label}\0`)
    .update(context)
    .update(length)
    .digest();
  return digest.subarray(0, bits / 8);
}

/**
 * TPM2_MakeCredential without a TPM (TPM 2.0 Part 1, 24; Part 3, 12.6): only the TPM that holds the EK can recover the
 * credential, and only for an object with this name.
 * @param credential 1–32 bytes.
 * @param name of the object, 34 bytes.
 */
export function makeCredential(ek: PublicArea, name: Buffer, credential: Buffer): MadeCredential {
  if (ek.rsa?.exponent !== RSA_EXPONENT || ek.symmetricBits !== 128) {
    throw new TpeError('INTERNAL', {
      reason: 'MakeCredential was asked for a key that is no RSA storage key with exponent 65537',
    });
  }
  const exponent = Buffer.alloc(4);
  exponent.writeUInt32BE(ek.rsa.exponent);
  const key = createPublicKey({
    key: { kty: 'RSA', n: ek.rsa.modulus.toString('base64url'), e: exponent.toString('base64url') },
    format: 'jwk',
  });
  const seed = randomBytes(SEED_BYTES);
  const secret = publicEncrypt(
    { key, oaepHash: 'sha256', oaepLabel: IDENTITY_LABEL, padding: constants.RSA_PKCS1_OAEP_PADDING },
    seed,
  );
  const cipher = createCipheriv('aes-128-cfb', kdfa(seed, 'STORAGE', name, 128), Buffer.alloc(16));
  const encIdentity = Buffer.concat([cipher.update(sized(credential)), cipher.final()]);
  const integrity = createHmac('sha256', kdfa(seed, 'INTEGRITY', Buffer.alloc(0), 256))
    .update(encIdentity)
    .update(name)
    .digest();
  seed.fill(0);
  return { credentialBlob: sized(Buffer.concat([sized(integrity), encIdentity])), secret: sized(secret) };
}
