import {
  type KeyObject,
  constants,
  createDecipheriv,
  createHash,
  createHmac,
  generateKeyPairSync,
  privateDecrypt,
} from 'node:crypto';

/**
 * The device's side of DPS's challenge with RSA keys in memory instead of a TPM: for tests of the service with many
 * devices. Written from the specification (TPM 2.0 Part 1, 23 and 24) on its own, so that it checks the emulator; what
 * a real TPM says is tested with swtpm.
 */
export interface SoftTpm {
  /** Base64 of TPM2B_PUBLIC. */
  readonly endorsementKey: string;
  readonly storageRootKey: string;
  /** The HMAC key in an authenticationKey blob; throws where a TPM would refuse. */
  open(authenticationKey: string): Buffer;
}

const sized = (content: Buffer): Buffer => {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(content.length);
  return Buffer.concat([size, content]);
};

function publicArea(key: KeyObject, attributes: string, policy: string): Buffer {
  const { n } = key.export({ format: 'jwk' });
  return Buffer.concat([
    Buffer.from('0001000b', 'hex'),
    Buffer.from(attributes, 'hex'),
    sized(Buffer.from(policy, 'hex')),
    // AES-128-CFB, no scheme, 2048 bits, default exponent.
    Buffer.from('000600800043', 'hex'),
    Buffer.from('0010', 'hex'),
    Buffer.from('080000000000', 'hex'),
    sized(Buffer.from(n ?? '', 'base64url')),
  ]);
}

const nameOf = (area: Buffer): Buffer =>
  Buffer.concat([Buffer.from('000b', 'hex'), createHash('sha256').update(area).digest()]);

function kdfa(key: Buffer, label: string, context: Buffer, bits: number): Buffer {
  const [one, length] = [Buffer.alloc(4), Buffer.alloc(4)];
  one.writeUInt32BE(1);
  length.writeUInt32BE(bits);
  const message = Buffer.concat([one, Buffer.from(label), Buffer.from([0]), context, length]);
  return createHmac('sha256', key)
    .update(message)
    .digest()
    .subarray(0, bits / 8);
}

function uncfb(key: Buffer, data: Buffer): Buffer {
  const decipher = createDecipheriv('aes-128-cfb', key, Buffer.alloc(16));
  return Buffer.concat([decipher.update(data), decipher.final()]);
}

function take(data: Buffer): [Buffer, Buffer] {
  const end = 2 + data.readUInt16BE(0);
  if (end > data.length) throw new Error('a size field reaches beyond the end');
  return [data.subarray(2, end), data.subarray(end)];
}

function unseal(key: KeyObject, label: string, secret: Buffer): Buffer {
  const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  return privateDecrypt({ key, ...oaep, oaepLabel: Buffer.from(`${label}\0`) }, secret);
}

/** Checks the HMAC in front, then decrypts what follows. */
function unprotect(seed: Buffer, name: Buffer, protectedData: Buffer): Buffer {
  const [hmac, encrypted] = take(protectedData);
  const integrity = kdfa(seed, 'INTEGRITY', Buffer.alloc(0), 256);
  const expected = createHmac('sha256', integrity).update(encrypted).update(name).digest();
  if (!expected.equals(hmac)) throw new Error('TPM_RC_INTEGRITY');
  return uncfb(kdfa(seed, 'STORAGE', name, 128), encrypted);
}

/** Makes EK and SRK; takes a tenth of a second. */
export function newSoftTpm(): SoftTpm {
  const ek = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const srk = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ekPolicy = '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa';
  const ekArea = publicArea(ek.publicKey, '000300b2', ekPolicy);
  const srkArea = publicArea(srk.publicKey, '00030472', '');
  return {
    endorsementKey: sized(ekArea).toString('base64'),
    storageRootKey: sized(srkArea).toString('base64'),
    open(authenticationKey) {
      const [idObject, afterId] = take(Buffer.from(authenticationKey, 'base64'));
      const [secret, afterSecret] = take(afterId);
      const [duplicate, afterDuplicate] = take(afterSecret);
      const [duplicateSecret, afterDuplicateSecret] = take(afterDuplicate);
      const [area] = take(afterDuplicateSecret);
      const [innerKey] = take(
        unprotect(unseal(ek.privateKey, 'IDENTITY', secret), nameOf(srkArea), idObject),
      );
      const keyName = nameOf(area);
      const inner = unprotect(unseal(srk.privateKey, 'DUPLICATE', duplicateSecret), keyName, duplicate);
      const [integrity, sensitive] = take(uncfb(innerKey, inner));
      const expected = createHash('sha256').update(sensitive).update(keyName).digest();
      if (!expected.equals(integrity)) throw new Error('TPM_RC_INTEGRITY');
      // TPMT_SENSITIVE: type, authValue, seedValue, then the key.
      const [content] = take(sensitive);
      const [, afterAuth] = take(content.subarray(2));
      const [seedValue, afterSeed] = take(afterAuth);
      const [key] = take(afterSeed);
      const unique = createHash('sha256').update(seedValue).update(key).digest();
      if (!area.subarray(-32).equals(unique)) throw new Error('TPM_RC_BINDING');
      return key;
    },
  };
}
