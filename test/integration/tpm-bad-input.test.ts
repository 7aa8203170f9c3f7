import { randomBytes } from 'node:crypto';
import { TPM2_CC, authPassword, hierarchyCommand } from '../support/tpm-wire';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { authenticationKeyFor, expectNothingLeft, withTpm } from '../support/tpm-fixture';
import { openTpm } from '../../src/agent/tpm';
import { isTpeError } from '../../src/common/errors/tpe-error';

let swtpm: Swtpm;
beforeAll(async () => {
  swtpm = await startSwtpm();
});
afterAll(async () => await swtpm.stop());
afterEach(async () => await expectNothingLeft(swtpm));

/** Offsets of every 2-byte size in the blob, outer and inner, by walking its six fields. */
function sizeFields(blob: Buffer): number[] {
  const outer: number[] = [];
  for (let at = 0; at < blob.length; at += 2 + blob.readUInt16BE(at)) outer.push(at);
  const [credential, , duplicate, , publicArea] = outer;
  // TPM2B_DIGEST integrity inside TPM2B_ID_OBJECT and TPM2B_PRIVATE; authPolicy and unique inside TPM2B_PUBLIC.
  return [...outer, credential! + 2, duplicate! + 2, publicArea! + 10, publicArea! + 16];
}

test('a blob cut at any byte is refused before the TPM sees it', async () => {
  await withTpm(swtpm, async (tpm) => {
    const blob = await authenticationKeyFor(tpm, randomBytes(32));
    for (let size = 1; size < blob.length; size++) {
      await expect(tpm.activateIdentityKey(blob.subarray(0, size))).rejects.toMatchObject({
        code: 'TPM_BLOB_INVALID',
      });
    }
    await expect(tpm.activateIdentityKey(Buffer.alloc(0))).rejects.toMatchObject({ code: 'VALUE_INVALID' });
    await expect(tpm.activateIdentityKey(Buffer.alloc(4097))).rejects.toMatchObject({
      code: 'VALUE_INVALID',
    });
    const longer = Buffer.concat([blob, Buffer.from([0])]);
    await expect(tpm.activateIdentityKey(longer)).rejects.toMatchObject({ code: 'TPM_BLOB_INVALID' });
  });
});

test('a blob with any size field wrong is refused and nothing is left behind', async () => {
  await withTpm(swtpm, async (tpm) => {
    const blob = await authenticationKeyFor(tpm, randomBytes(32));
    const fields = sizeFields(blob);
    expect(fields).toHaveLength(10);
    for (const at of fields) {
      const right = blob.readUInt16BE(at);
      for (const wrong of [0, 1, right - 1, right + 1, 0x7fff, 0xffff].filter(
        (size) => size !== right && size >= 0,
      )) {
        const damaged = Buffer.from(blob);
        damaged.writeUInt16BE(wrong, at);
        const outcome: unknown = await tpm.activateIdentityKey(damaged).catch((error: unknown) => error);
        expect([at, wrong, isTpeError(outcome, 'TPM_BLOB_INVALID', 'TPM_BLOB_REFUSED')]).toEqual([
          at,
          wrong,
          true,
        ]);
      }
    }
    await tpm.activateIdentityKey(blob);
  });
});

test('a blob with one bit flipped in any protected field is refused by the TPM', async () => {
  await withTpm(swtpm, async (tpm) => {
    const blob = await authenticationKeyFor(tpm, randomBytes(32));
    const outer = sizeFields(blob).slice(0, 5);
    for (const at of outer) {
      const damaged = Buffer.from(blob);
      const last = at + 1 + blob.readUInt16BE(at);
      damaged.writeUInt8(damaged.readUInt8(last) ^ 1, last);
      await expect(tpm.activateIdentityKey(damaged)).rejects.toMatchObject({ code: 'TPM_BLOB_REFUSED' });
      await expectNothingLeft(swtpm);
    }
  });
});

test('a key that is no plain HMAC-SHA256 signing key is refused before import', async () => {
  await withTpm(swtpm, async (tpm) => {
    const blob = await authenticationKeyFor(tpm, randomBytes(32));
    const area = sizeFields(blob)[4]! + 2;
    const changes: [number, Buffer][] = [
      [0, Buffer.from([0x00, 0x25])], // type SYMCIPHER
      [2, Buffer.from([0x00, 0x04])], // nameAlg SHA1
      [4, Buffer.from([0x00, 0x00, 0x04, 0x40])], // sign clear
      [4, Buffer.from([0x00, 0x06, 0x04, 0x40])], // decrypt set
      [4, Buffer.from([0x00, 0x05, 0x04, 0x40])], // restricted set
      [10, Buffer.from([0x00, 0x0a])], // scheme XOR
      [12, Buffer.from([0x00, 0x0c])], // HMAC with SHA384
    ];
    for (const [at, bytes] of changes) {
      const damaged = Buffer.from(blob);
      bytes.copy(damaged, area + at);
      await expect(tpm.activateIdentityKey(damaged)).rejects.toMatchObject({ code: 'TPM_BLOB_INVALID' });
    }
  });
});

test('a blob for another TPM is refused', async () => {
  const other = await startSwtpm();
  try {
    const blob = await withTpm(other, async (tpm) => await authenticationKeyFor(tpm, randomBytes(32)));
    await withTpm(swtpm, async (tpm) => {
      await expect(tpm.activateIdentityKey(blob)).rejects.toMatchObject({
        code: 'TPM_BLOB_REFUSED',
        details: { command: 'TPM2_ActivateCredential' },
      });
    });
  } finally {
    await other.stop();
  }
});

test('after TPM2_Clear a blob for the old SRK and a key under it are refused by name', async () => {
  await withTpm(swtpm, async (tpm) => {
    const blob = await authenticationKeyFor(tpm, randomBytes(32));
    const key = await tpm.activateIdentityKey(blob);
    const ek = await tpm.endorsementKey();
    const cleared = await swtpm.command(hierarchyCommand(TPM2_CC.Clear, 0x4000000a, authPassword()));
    expect(cleared.readUInt32BE(6)).toBe(0);
    await expect(tpm.activateIdentityKey(blob)).rejects.toMatchObject({ code: 'TPM_BLOB_REFUSED' });
    await expect(tpm.signWith(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'TPM_KEY_REFUSED' });
    await expect(tpm.loadIdentityKey(key)).rejects.toMatchObject({ code: 'TPM_KEY_REFUSED' });
    expect((await tpm.endorsementKey()).name).toEqual(ek.name);
    await tpm.activateIdentityKey(await authenticationKeyFor(tpm, randomBytes(32)));
  });
});

test('a stored key that is damaged anywhere is refused', async () => {
  await withTpm(swtpm, async (tpm) => {
    const key = await tpm.activateIdentityKey(await authenticationKeyFor(tpm, randomBytes(32)));
    for (let size = 1; size < key.private.length; size += 7) {
      const cut = { public: key.public, private: key.private.subarray(0, size) };
      await expect(tpm.loadIdentityKey(cut)).rejects.toMatchObject({ code: 'TPM_KEY_REFUSED' });
    }
    for (let size = 1; size < key.public.length; size++) {
      const cut = { public: key.public.subarray(0, size), private: key.private };
      await expect(tpm.loadIdentityKey(cut)).rejects.toMatchObject({ code: 'TPM_KEY_REFUSED' });
    }
    const flipped = Buffer.from(key.private);
    flipped.writeUInt8(flipped.readUInt8(60) ^ 1, 60);
    await expect(tpm.loadIdentityKey({ ...key, private: flipped })).rejects.toMatchObject({
      code: 'TPM_KEY_REFUSED',
    });
    await expect(tpm.sign(Buffer.from('x'))).rejects.toMatchObject({ code: 'TPM_NO_IDENTITY_KEY' });
  });
});

test('a TPM that is not there, and a TCTI that nobody knows, are named', async () => {
  await expect(openTpm({ tcti: 'swtpm:host=127.0.0.1,port=1' })).rejects.toMatchObject({
    code: 'TPM_UNREACHABLE',
    retryable: true,
  });
  await expect(openTpm({ tcti: 'nonsense:x' })).rejects.toMatchObject({ code: 'TPM_UNREACHABLE' });
  await expect(openTpm({ tcti: 'device:/dev/no-such-tpm' })).rejects.toMatchObject({ code: 'TPM_ABSENT' });
});

test('a TPM that dies with work in flight fails every call as retryable and is used again when it is back', async () => {
  await withTpm(swtpm, async (tpm) => {
    const wrapped = await tpm.activateIdentityKey(await authenticationKeyFor(tpm, randomBytes(32)));
    await tpm.loadIdentityKey(wrapped);
    const expected = await tpm.sign(Buffer.from('data'));
    const calls = Array.from({ length: 200 }, async () => await tpm.sign(Buffer.from('data')));
    const more = [tpm.endorsementKey(), tpm.storageRootKey(), tpm.random(8)];
    const all = Promise.allSettled([...calls, ...more]);
    await swtpm.kill();
    for (const outcome of await all) {
      if (outcome.status === 'rejected') {
        expect(isTpeError(outcome.reason, 'TPM_GONE', 'TPM_UNREACHABLE')).toBe(true);
        expect(outcome.reason).toMatchObject({ retryable: true });
      }
    }
    await swtpm.start();
    expect(await tpm.sign(Buffer.from('data'))).toEqual(expected);
  });
});
