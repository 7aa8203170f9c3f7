import {
  type KeyObject,
  constants,
  createDecipheriv,
  createHash,
  createHmac,
  privateDecrypt,
  timingSafeEqual,
} from 'node:crypto';

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function kdfa(key: Buffer, label: string, context: Buffer, bits: number): Buffer {
  const hmac = createHmac('sha256', key)
    .update(u32(1))
    .update(`${label}\0`)
    .update(context)
    .update(u32(bits));
  return hmac.digest().subarray(0, bits / 8);
}

/** Splits a buffer of TPM2B fields. */
export function fieldsOf(bytes: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const size = bytes.readUInt16BE(at);
    fields.push(bytes.subarray(at + 2, at + 2 + size));
    at += 2 + size;
  }
  return fields;
}

/** Name of an object: nameAlg ‖ SHA-256 of TPMT_PUBLIC. */
export function nameOfPublic(tpm2bPublic: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0, 0x0b), createHash('sha256').update(tpm2bPublic.subarray(2)).digest()]);
}

function oaep(key: KeyObject, encrypted: Buffer, label: string): Buffer {
  return privateDecrypt(
    {
      key,
      oaepHash: 'sha256',
      oaepLabel: Buffer.from(`${label}\0`),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
    },
    encrypted,
  );
}

function cfb(key: Buffer, data: Buffer): Buffer {
  const decipher = createDecipheriv('aes-128-cfb', key, Buffer.alloc(16));
  return Buffer.concat([decipher.update(data), decipher.final()]);
}

/** Checks the HMAC in front of what it protects. */
function opened(macKey: Buffer, mac: Buffer, data: Buffer, name: Buffer): Buffer {
  const expected = createHmac('sha256', macKey).update(data).update(name).digest();
  if (!timingSafeEqual(expected, mac)) throw new Error('the integrity value is wrong');
  return data;
}

/** TPM2_ActivateCredential of a TPM made of node:crypto. */
export function activateCredential(
  ek: KeyObject,
  name: Buffer,
  idObject: Buffer,
  encryptedSecret: Buffer,
): Buffer {
  const seed = oaep(ek, encryptedSecret, 'IDENTITY');
  const macSize = idObject.readUInt16BE(0);
  const mac = idObject.subarray(2, 2 + macSize);
  const data = opened(
    kdfa(seed, 'INTEGRITY', Buffer.alloc(0), 256),
    mac,
    idObject.subarray(2 + macSize),
    name,
  );
  return fieldsOf(cfb(kdfa(seed, 'STORAGE', name, 128), data))[0]!;
}

/** Opens a DPS `authenticationKey` with EK and SRK: ActivateCredential and Import. Returns the HMAC key inside. */
export function openAuthenticationKey(
  blob: Buffer,
  ek: KeyObject,
  srk: { privateKey: KeyObject; public: Buffer },
): Buffer {
  const [idObject, idSecret, duplicate, seedSecret, keyPublic] = fieldsOf(blob);
  const wrapKey = activateCredential(ek, nameOfPublic(srk.public), idObject!, idSecret!);
  const keyName = Buffer.concat([Buffer.of(0, 0x0b), createHash('sha256').update(keyPublic!).digest()]);
  const seed = oaep(srk.privateKey, seedSecret!, 'DUPLICATE');
  const macSize = duplicate!.readUInt16BE(0);
  const outer = opened(
    kdfa(seed, 'INTEGRITY', Buffer.alloc(0), 256),
    duplicate!.subarray(2, 2 + macSize),
    duplicate!.subarray(2 + macSize),
    keyName,
  );
  const inner = cfb(wrapKey, cfb(kdfa(seed, 'STORAGE', keyName, 128), outer));
  const sensitive = inner.subarray(2 + inner.readUInt16BE(0));
  // TPM2B_SENSITIVE: size, type, authValue, seedValue, then the key.
  const body = sensitive.subarray(2 + 2);
  return fieldsOf(body)[2]!;
}
