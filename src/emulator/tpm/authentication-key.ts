import { constants, createCipheriv, createHash, createHmac, publicEncrypt, randomBytes } from 'node:crypto';
import { kdfa } from './kdfa';
import { Alg, tpm2b, u16, u32 } from './marshal';
import { type StorageKey, objectName } from './public-area';

const SEED_BYTES = 32;
const AES_BYTES = 16;

/** sign, noDA, userWithAuth: what DPS gives the keys that it makes. */
const HMAC_KEY_ATTRIBUTES = 0x00040440;

/** AES-128-CFB with IV 0, as every TPM protection uses it (TPM 2.0 Part 1, 24 and 23). */
function cfb(key: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-128-cfb', key, Buffer.alloc(16));
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

/** RSA-OAEP with SHA-256 and a label that includes its NUL (Part 1, B.4). */
function encryptSeed(to: StorageKey, label: 'IDENTITY' | 'DUPLICATE', seed: Uint8Array): Buffer {
  return publicEncrypt(
    {
      key: to.publicKey,
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
      oaepLabel: Buffer.from(`${label}\0`),
    },
    seed,
  );
}

/** TPM2_MakeCredential without a TPM (Part 1, 24): only the TPM with `ek` and an object of that name recovers it. */
function makeCredential(
  ek: StorageKey,
  name: Buffer,
  credential: Buffer,
): { idObject: Buffer; secret: Buffer } {
  const seed = randomBytes(SEED_BYTES);
  const encIdentity = cfb(kdfa(seed, 'STORAGE', name, AES_BYTES), tpm2b(credential));
  const hmac = createHmac('sha256', kdfa(seed, 'INTEGRITY', Buffer.alloc(0), 32))
    .update(encIdentity)
    .update(name)
    .digest();
  return { idObject: Buffer.concat([tpm2b(hmac), encIdentity]), secret: encryptSeed(ek, 'IDENTITY', seed) };
}

/** The HMAC key as a duplicate for `parent`, wrapped twice (Part 1, 23.3). */
function duplicateHmacKey(
  parent: StorageKey,
  innerKey: Buffer,
  hmacKey: Buffer,
): { duplicate: Buffer; secret: Buffer; publicArea: Buffer } {
  const seedValue = randomBytes(SEED_BYTES);
  const unique = createHash('sha256').update(seedValue).update(hmacKey).digest();
  const publicArea = Buffer.concat([
    u16(Alg.KEYEDHASH),
    u16(Alg.SHA256),
    u32(HMAC_KEY_ATTRIBUTES),
    tpm2b(),
    u16(Alg.HMAC),
    u16(Alg.SHA256),
    tpm2b(unique),
  ]);
  const name = objectName(publicArea);
  const sensitive = tpm2b(u16(Alg.KEYEDHASH), tpm2b(), tpm2b(seedValue), tpm2b(hmacKey));

  const innerIntegrity = createHash('sha256').update(sensitive).update(name).digest();
  const inner = cfb(innerKey, Buffer.concat([tpm2b(innerIntegrity), sensitive]));

  const seed = randomBytes(SEED_BYTES);
  const outer = cfb(kdfa(seed, 'STORAGE', name, AES_BYTES), inner);
  const outerHmac = createHmac('sha256', kdfa(seed, 'INTEGRITY', Buffer.alloc(0), 32))
    .update(outer)
    .update(name)
    .digest();
  return {
    duplicate: Buffer.concat([tpm2b(outerHmac), outer]),
    secret: encryptSeed(parent, 'DUPLICATE', seed),
    publicArea,
  };
}

/**
 * DPS's `authenticationKey`: an HMAC key that only the TPM holding `ek` can import under `srk`. Six sized fields:
 * TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET, TPM2B_PRIVATE, TPM2B_ENCRYPTED_SECRET, TPM2B_PUBLIC, encrypted URI.
 * @param hmacKey 1–64 bytes.
 * @param uri free-form; devices skip it.
 */
export function wrapForTpm(ek: StorageKey, srk: StorageKey, hmacKey: Buffer, uri: string): Buffer {
  const innerKey = randomBytes(AES_BYTES);
  const { idObject, secret } = makeCredential(ek, srk.name, innerKey);
  const { duplicate, secret: duplicateSecret, publicArea } = duplicateHmacKey(srk, innerKey, hmacKey);
  return Buffer.concat([
    tpm2b(idObject),
    tpm2b(secret),
    tpm2b(duplicate),
    tpm2b(duplicateSecret),
    tpm2b(publicArea),
    tpm2b(cfb(innerKey, Buffer.from(uri))),
  ]);
}
