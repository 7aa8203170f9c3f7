import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { wrapForTpm } from '../../../src/emulator/tpm/authentication-key';
import { kdfa } from '../../../src/emulator/tpm/kdfa';
import { parseStorageKey } from '../../../src/emulator/tpm/public-area';
import { newSoftTpm } from '../../support/soft-tpm';

const tpm = newSoftTpm();
const ek = parseStorageKey(tpm.endorsementKey);
const srk = parseStorageKey(tpm.storageRootKey);

function fields(blob: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < blob.length;) {
    const size = blob.readUInt16BE(at);
    found.push(blob.subarray(at + 2, at + 2 + size));
    at += 2 + size;
  }
  return found;
}

test('an authenticationKey has the six fields and sizes of a captured one', () => {
  const parts = fields(wrapForTpm(ek, srk, randomBytes(32), 'https://hub'));
  expect(parts.map((part) => part.length).slice(0, 5)).toEqual([52, 256, 142, 256, 48]);
  expect(parts).toHaveLength(6);
  // KEYEDHASH, SHA-256, sign ‖ noDA ‖ userWithAuth, no policy, HMAC with SHA-256.
  expect(parts[4]?.subarray(0, 14).toString('hex')).toBe('0008000b0004044000000005000b');
});

test.each([1, 20, 32, 64])('a key of %i bytes comes out as it went in', (size) => {
  const key = randomBytes(size);
  expect(tpm.open(wrapForTpm(ek, srk, key, '').toString('base64'))).toEqual(key);
});

test('two blobs for the same key have nothing in common', () => {
  const key = randomBytes(32);
  const [one, two] = [fields(wrapForTpm(ek, srk, key, 'x')), fields(wrapForTpm(ek, srk, key, 'x'))];
  for (const i of [0, 1, 2, 3]) expect(one[i]).not.toEqual(two[i]);
  expect(one[4]?.subarray(-32)).not.toEqual(two[4]?.subarray(-32));
});

test('another TPM cannot open it', () => {
  const blob = wrapForTpm(ek, srk, randomBytes(32), '').toString('base64');
  expect(() => newSoftTpm().open(blob)).toThrow();
});

test('KDFa is HMAC in counter mode over counter, label with NUL, context and length', () => {
  // Computed with OpenSSL: printf '\0\0\0\1STORAGE\0\1\2\3\0\0\0\200' | openssl mac -digest SHA256 -macopt hexkey:… HMAC
  const key = Buffer.alloc(32, 0x0b);
  expect(kdfa(key, 'STORAGE', Buffer.from([1, 2, 3]), 16).toString('hex')).toBe(
    'e7d5c59898ca5e6ad75fe90142377b42',
  );
  expect(kdfa(key, 'STORAGE', Buffer.from([1, 2, 3]), 48)).toHaveLength(48);
});

describe('a TPM2B_PUBLIC', () => {
  const bytes = Buffer.from(tpm.endorsementKey, 'base64');
  const spoiled = (at: number, hex: string): string => {
    const copy = Buffer.from(bytes);
    Buffer.from(hex, 'hex').copy(copy, at);
    return copy.toString('base64');
  };

  test.each([
    ['an ECC key', spoiled(2, '0023')],
    ['a key with SHA-1 names', spoiled(4, '0004')],
    ['a signing key', spoiled(6, '00040072')],
    ['a key with AES-256', spoiled(46, '0100')],
    ['a key of 3072 bits', spoiled(52, '0c00')],
    ['nothing', ''],
    ['no base64', 'AToAAQALAAMA…'],
    ['a key without its size', bytes.subarray(2).toString('base64')],
    ['a key with bytes behind it', Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64')],
  ])('that is %s is refused', (_what, text) => {
    expect(() => parseStorageKey(text)).toThrow(
      expect.objectContaining({ code: 'EMU_TPM_KEY_INVALID' }) as Error,
    );
  });

  test('cut at any byte is refused', () => {
    for (let size = 0; size < bytes.length; size += 1) {
      expect(() => parseStorageKey(bytes.subarray(0, size).toString('base64'))).toThrow(
        expect.objectContaining({ code: 'EMU_TPM_KEY_INVALID' }) as Error,
      );
    }
  });

  test('of random bytes never does anything but being refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (random) => {
        expect(() => parseStorageKey(Buffer.from(random).toString('base64'))).toThrow(
          expect.objectContaining({ code: 'EMU_TPM_KEY_INVALID' }) as Error,
        );
      }),
    );
  });

  test('with exponent 0 has exponent 65537', () => {
    expect(ek.publicKey.asymmetricKeyDetails?.publicExponent).toBe(65537n);
  });
});
