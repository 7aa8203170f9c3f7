import { createHash, createHmac, randomBytes } from 'node:crypto';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { authenticationKeyFor, expectNothingLeft, withTpm } from '../support/tpm-fixture';

let swtpm: Swtpm;
beforeAll(async () => {
  swtpm = await startSwtpm();
});
afterAll(async () => await swtpm.stop());
afterEach(async () => await expectNothingLeft(swtpm));

const hmacOf = (key: Buffer, data: Buffer): Buffer => createHmac('sha256', key).update(data).digest();

test('the TPM tells who it is', async () => {
  const info = await withTpm(swtpm, async (tpm) => await tpm.info());
  expect(info).toMatchObject({ manufacturer: 'IBM', ownerAuthSet: false, endorsementAuthSet: false });
  expect(info.specRevision).toMatch(/^1\.\d\d$/);
  expect(info.firmwareVersion).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  expect(info.tssVersion).toMatch(/^\d+\.\d+/);
  expect(info.lockout).toEqual({ active: false, counter: 0, maxTries: expect.any(Number) as number });
});

test('EK and SRK are whole TPM2B_PUBLIC structures with the names that belong to them', async () => {
  await withTpm(swtpm, async (tpm) => {
    const ek = await tpm.endorsementKey();
    const srk = await tpm.storageRootKey();
    expect(ek).toMatchObject({ template: 'tcg', persistent: false });
    expect(ek.public).toHaveLength(316);
    expect(srk.public).toHaveLength(284);
    for (const key of [ek, srk]) {
      expect(key.public.readUInt16BE(0)).toBe(key.public.length - 2);
      const digest = createHash('sha256').update(key.public.subarray(2)).digest();
      expect(key.name).toEqual(Buffer.concat([Buffer.from([0, 0x0b]), digest]));
    }
    expect((await tpm.endorsementKey()).public).toEqual(ek.public);
    expect((await tpm.storageRootKey()).public).toEqual(srk.public);
  });
});

test.each([32, 64])('a %i-byte key from DPS is activated and signs without becoming live', async (bytes) => {
  await withTpm(swtpm, async (tpm) => {
    const secret = randomBytes(bytes);
    const key = await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret));
    const data = Buffer.from('0ne000%2fregistrations%2ftaicb1046771\n1700000000');
    expect(await tpm.signWith(key, data)).toEqual(hmacOf(secret, data));
    await expect(tpm.sign(data)).rejects.toMatchObject({ code: 'TPM_NO_IDENTITY_KEY' });
    await expectNothingLeft(swtpm);
  });
});

test('the hub key becomes live, is replaced by the next one, and is gone after close', async () => {
  const data = Buffer.from('data');
  await withTpm(swtpm, async (tpm) => {
    const first = randomBytes(32);
    await tpm.loadIdentityKey(await tpm.activateIdentityKey(await authenticationKeyFor(tpm, first)));
    await expectNothingLeft(swtpm, 1);
    expect(await tpm.sign(data)).toEqual(hmacOf(first, data));
    const second = randomBytes(32);
    const wrapped = await tpm.activateIdentityKey(await authenticationKeyFor(tpm, second));
    expect(await tpm.sign(data)).toEqual(hmacOf(first, data));
    await tpm.loadIdentityKey(wrapped);
    await expectNothingLeft(swtpm, 1);
    expect(await tpm.sign(data)).toEqual(hmacOf(second, data));
    await tpm.unloadIdentityKey();
    await expectNothingLeft(swtpm);
  });
});

test('a stored key is loaded again after a restart of the TPM and of the agent', async () => {
  const secret = randomBytes(32);
  const key = await withTpm(
    swtpm,
    async (tpm) => await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret)),
  );
  await swtpm.restart();
  await withTpm(swtpm, async (tpm) => {
    await tpm.loadIdentityKey(key);
    expect(await tpm.sign(Buffer.from('x'))).toEqual(hmacOf(secret, Buffer.from('x')));
  });
});

test.each([0, 1, 1024, 1025, 5000, 65_536])('%i bytes are signed', async (size) => {
  await withTpm(swtpm, async (tpm) => {
    const secret = randomBytes(32);
    await tpm.loadIdentityKey(await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret)));
    const data = randomBytes(size);
    expect(await tpm.sign(data)).toEqual(hmacOf(secret, data));
    await expectNothingLeft(swtpm, 1);
  });
});

test('random bytes come in the number asked for', async () => {
  await withTpm(swtpm, async (tpm) => {
    for (const count of [1, 32, 33, 1024]) expect(await tpm.random(count)).toHaveLength(count);
    await expect(tpm.random(0)).rejects.toMatchObject({ code: 'VALUE_INVALID' });
    await expect(tpm.random(1025)).rejects.toMatchObject({ code: 'VALUE_INVALID' });
  });
});

test('azure-legacy gives another EK than the TCG template', async () => {
  const tcg = await withTpm(swtpm, async (tpm) => await tpm.endorsementKey());
  await withTpm(
    swtpm,
    async (tpm) => {
      const legacy = await tpm.endorsementKey();
      expect(legacy.template).toBe('azure-legacy');
      expect(legacy.name).not.toEqual(tcg.name);
      const secret = randomBytes(32);
      const key = await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret));
      expect(await tpm.signWith(key, Buffer.from('x'))).toEqual(hmacOf(secret, Buffer.from('x')));
    },
    { ekTemplate: 'azure-legacy' },
  );
});
