import { X509Certificate, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManagedTpm } from '../../src/agent/tpm';
import { chainProblem, readCertificates } from '../../src/common/certificate-chain';
import { createLogger } from '../../src/common/logger';
import { makeCredential } from '../../src/provision/tpm/make-credential';
import { ATTRIBUTES, parsePublicArea } from '../../src/provision/tpm/public-area';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { authenticationKeyFor, expectNothingLeft, withTpm } from '../support/tpm-fixture';
import { TPM2_CC, authPassword, hierarchyCommand } from '../support/tpm-wire';

let swtpm: Swtpm;
let folder: string;
beforeAll(async () => {
  swtpm = await startSwtpm({ ekCert: true });
  folder = await mkdtemp(join(tmpdir(), 'tpe-attestation-'));
});
afterAll(async () => {
  await swtpm.stop();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => await expectNothingLeft(swtpm));

/** The utility's side: a challenge for this EK and this object's name. */
async function challenge(
  tpm: ManagedTpm,
  name: Buffer,
): Promise<{ credentialBlob: Buffer; secret: Buffer; credential: Buffer }> {
  const ek = await tpm.endorsementKey();
  const credential = randomBytes(32);
  return {
    ...makeCredential(parsePublicArea(ek.public), name, credential),
    credential,
  };
}

test('the EK certificates are read from NV, parsed, matched to the EK and led to their CA', async () => {
  await withTpm(swtpm, async (tpm) => {
    const certificates = await tpm.ekCertificates();
    expect(certificates.map(({ index, keyType, forThisEk }) => [index, keyType, forThisEk])).toEqual([
      [0x01c00002, 'rsa', true],
      [0x01c00016, 'ec', false],
    ]);
    const [rsa] = certificates;
    expect(rsa).toMatchObject({ issuer: 'CN=swtpm-localca', model: 'swtpm', manufacturer: 'id:00001014' });
    expect(rsa?.version).toMatch(/^id:/);
    expect(Date.parse(rsa!.validTo)).toBeGreaterThan(Date.now());
    expect(await tpm.endorsementCertificates()).toEqual([rsa?.der]);

    const leaf = new X509Certificate(rsa!.pem);
    const now = Date.now() + 60_000;
    const authorities = await readCertificates(swtpm.caFolder);
    expect(authorities.length).toBe(2);
    expect(chainProblem(leaf, [], authorities, now)).toBeUndefined();
    const root = authorities.filter(({ issuer, subject }) => issuer === subject);
    expect(chainProblem(leaf, authorities, root, now)).toBeUndefined();
    expect(chainProblem(leaf, [], root, now)).toBe('its issuer CN=swtpm-localca is not trusted');
    expect(chainProblem(leaf, authorities, [], now)).toBe(
      'its issuer CN=swtpm-localca-rootca is not trusted',
    );
    expect(chainProblem(leaf, [], authorities, Date.parse('1999-01-01'))).toMatch('is not valid now');
  });
});

test('a TPM without EK certificates gives none', async () => {
  const bare = await startSwtpm();
  try {
    await withTpm(bare, async (tpm) => {
      expect(await tpm.ekCertificates()).toEqual([]);
      expect(await tpm.endorsementCertificates()).toEqual([]);
    });
  } finally {
    await bare.stop();
  }
});

test('the attestation key is a restricted signing key fixed to the TPM, exempt from lockout', async () => {
  await withTpm(swtpm, async (tpm) => {
    const key = await tpm.attestationKey();
    const area = parsePublicArea(key.public);
    expect(area).toMatchObject({ type: 'ecc', attributes: 0x50472 });
    expect(area.attributes & ATTRIBUTES.decrypt).toBe(0);
    expect(area.name).toEqual(key.name);
    expect((await tpm.attestationKey()).name).toEqual(key.name);
  });
});

test('the TPM proves possession of EK and attestation key, also while the hub key is live', async () => {
  await withTpm(swtpm, async (tpm) => {
    const hub = await tpm.activateIdentityKey(await authenticationKeyFor(tpm, randomBytes(32)));
    await tpm.loadIdentityKey(hub);
    const { name } = await tpm.attestationKey();
    const { credentialBlob, secret, credential } = await challenge(tpm, name);
    expect(await tpm.activateCredential(credentialBlob, secret)).toEqual(credential);
    await expectNothingLeft(swtpm, 1);
  });
});

test('a challenge bound to the SRK, as those of DPS are, cannot be opened through attestation', async () => {
  await withTpm(swtpm, async (tpm) => {
    const srk = await tpm.storageRootKey();
    const { credentialBlob, secret } = await challenge(tpm, srk.name);
    await expect(tpm.activateCredential(credentialBlob, secret)).rejects.toMatchObject({
      code: 'TPM_CREDENTIAL_REFUSED',
      status: 400,
    });
  });
});

test('a malformed or foreign credential is refused and nothing is left behind', async () => {
  await withTpm(swtpm, async (tpm) => {
    const { name } = await tpm.attestationKey();
    const { credentialBlob, secret } = await challenge(tpm, name);
    const flipped = Buffer.from(credentialBlob);
    flipped.writeUInt8(flipped.readUInt8(40) ^ 1, 40);
    const wrong: [Buffer, Buffer][] = [
      [flipped, secret],
      [credentialBlob.subarray(0, 20), secret],
      [credentialBlob, secret.subarray(0, 100)],
      [Buffer.concat([credentialBlob, Buffer.alloc(1)]), secret],
      [secret, credentialBlob],
    ];
    for (const [blob, seed] of wrong) {
      await expect(tpm.activateCredential(blob, seed)).rejects.toMatchObject({
        code: 'TPM_CREDENTIAL_REFUSED',
      });
      await expectNothingLeft(swtpm);
    }
    await expect(tpm.activateCredential(Buffer.alloc(0), secret)).rejects.toMatchObject({
      code: 'VALUE_INVALID',
    });
  });
});

test('the attestation key survives a restart in its file and is made anew after TPM2_Clear', async () => {
  const attestationKeyFile = join(folder, 'attestation-key.json');
  const first = await withTpm(swtpm, async (tpm) => await tpm.attestationKey(), { attestationKeyFile });
  expect((await stat(attestationKeyFile)).mode & 0o777).toBe(0o600);
  expect(await readFile(attestationKeyFile, 'utf8')).toContain(first.public.toString('base64'));
  await swtpm.restart();
  await withTpm(
    swtpm,
    async (tpm) => {
      expect((await tpm.attestationKey()).name).toEqual(first.name);
      const { credentialBlob, secret, credential } = await challenge(tpm, first.name);
      expect(await tpm.activateCredential(credentialBlob, secret)).toEqual(credential);
      await swtpm.command(hierarchyCommand(TPM2_CC.Clear, 0x4000000a, authPassword()));
      await expect(tpm.activateCredential(credentialBlob, secret)).rejects.toMatchObject({
        code: 'TPM_KEY_REFUSED',
      });
      const { name } = await tpm.attestationKey();
      expect(name).not.toEqual(first.name);
      const again = await challenge(tpm, name);
      expect(await tpm.activateCredential(again.credentialBlob, again.secret)).toEqual(again.credential);
    },
    { attestationKeyFile },
  );
});

test('a stored attestation key of which both copies are damaged is replaced', async () => {
  const attestationKeyFile = join(folder, 'damaged.json');
  const first = await withTpm(swtpm, async (tpm) => await tpm.attestationKey(), { attestationKeyFile });
  for (const path of [attestationKeyFile, `${attestationKeyFile}.twin`]) await writeFile(path, 'half a fi');
  const second = await withTpm(swtpm, async (tpm) => await tpm.attestationKey(), { attestationKeyFile });
  expect(second.name).not.toEqual(first.name);
  const third = await withTpm(swtpm, async (tpm) => await tpm.attestationKey(), { attestationKeyFile });
  expect(third.name).toEqual(second.name);
});

test('an attestation key that cannot be kept proves possession all the same', async () => {
  const attestationKeyFile = join(folder, 'not-writable.json');
  // A folder in the place of the file: the rename that commits fails, for root as well.
  const obstacle = `${attestationKeyFile}.twin`;
  await mkdir(join(obstacle, 'child'), { recursive: true });
  const logged: string[] = [];
  const logger = createLogger('test', 'info', { write: (line) => logged.push(line) });
  await withTpm(
    swtpm,
    async (tpm) => {
      const { name } = await tpm.attestationKey();
      const { credentialBlob, secret, credential } = await challenge(tpm, name);
      expect(await tpm.activateCredential(credentialBlob, secret)).toEqual(credential);
    },
    { attestationKeyFile, logger },
  );
  expect(logged.join('')).toContain('the attestation key could not be kept');
});
