import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCredential } from '../../../src/provision/tpm/make-credential';
import { parsePublicArea } from '../../../src/provision/tpm/public-area';
import { attestationPublic, generateStorageKey } from '../../support/gateway-simulator-keys';
import { Authority } from '../../support/ek-authority';
import { Plant, deviceEvents } from '../../support/gateway-simulator-plant';
import { activateCredential, fieldsOf, nameOfPublic } from '../../support/gateway-simulator-tpm';

let plant: Plant;
beforeAll(async () => {
  plant = await Plant.open();
});
afterEach(() => plant.clear());
afterAll(() => plant.close());

const SERIAL = 'TAICB1046771';
const codes = (outcome: Parameters<typeof deviceEvents>[0]): (string | undefined)[] =>
  deviceEvents(outcome).map((event) => event.failure?.code);

async function factory(...rows: string[]): Promise<string[]> {
  const path = join(plant.folder, 'record.csv');
  await writeFile(path, `${['serialNumber,mac,keySha256,endorsementKey,password', ...rows].join('\n')}\n`);
  return ['--from', path];
}

let journals = 0;
const journal = (): string[] => ['--journal', join(plant.folder, `journal-${(journals += 1)}`)];

test('a made credential is recovered by the TPM that holds the key, for the name it was made for', () => {
  const ek = generateStorageKey('ek');
  const area = parsePublicArea(ek.public);
  const name = Buffer.concat([Buffer.of(0, 0x0b), createHash('sha256').update('any object').digest()]);
  const credential = Buffer.from('sixteen bytes ok');
  const made = makeCredential(area, name, credential);
  const [idObject] = fieldsOf(made.credentialBlob);
  const [secret] = fieldsOf(made.secret);
  expect(activateCredential(ek.privateKey, name, idObject!, secret!)).toEqual(credential);
  const other = Buffer.from(name);
  other[5]! ^= 1;
  expect(() => activateCredential(ek.privateKey, other, idObject!, secret!)).toThrow('integrity');
  expect(area.name).toEqual(nameOfPublic(ek.public));
});

test('a gateway that proves possession is reported so, and the proof comes before the password', async () => {
  const one = await plant.gateway({ serialNumber: SERIAL });
  const outcome = await plant.run(['--json', '--require', 'possession']);
  expect(deviceEvents(outcome)).toMatchObject([{ result: 'done', evidence: 'possession' }]);
  const proof = one.calls.indexOf('POST /tpm/attestation');
  expect(proof).toBeGreaterThan(0);
  expect(proof).toBeLessThan(one.calls.indexOf('PUT /users/me/password'));
});

test('a box that shows the key of another TPM gets neither password nor enrollment', async () => {
  const one = await plant.gateway({
    serialNumber: SERIAL,
    attestation: { provenWith: generateStorageKey('ek') },
  });
  expect(codes(await plant.run(['--json']))).toEqual(['PROVISION_PROOF_FAILED']);
  expect(one.mustChange).toBe(true);
  expect(plant.dps.calls).toEqual([]);
});

test.each([
  ['not restricted', 0x00040472],
  ['not fixed to the TPM', 0x00050470],
  ['able to decrypt', 0x00070472],
])('an attestation key that is %s proves nothing', async (_what, attributes) => {
  const { publicKey } = (await import('node:crypto')).generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await plant.gateway({
    serialNumber: SERIAL,
    attestation: { public: attestationPublic(publicKey, attributes) },
  });
  expect(codes(await plant.run(['--json']))).toEqual(['PROVISION_PROOF_FAILED']);
});

test('a gateway without the routes is provisioned, reported as unproven, and refused where proof is required', async () => {
  await plant.gateway({ serialNumber: SERIAL, attestation: false });
  expect(codes(await plant.run(['--json', '--require', 'possession']))).toEqual([
    'PROVISION_PROOF_UNSUPPORTED',
  ]);
  const outcome = await plant.run(['--json']);
  expect(deviceEvents(outcome)).toMatchObject([{ result: 'done', evidence: 'none' }]);
});

describe('EK certificates', () => {
  const ek = generateStorageKey('ek');
  let vendor: Authority;
  let roots: string[];
  beforeAll(async () => {
    vendor = await Authority.make('CN=TPM vendor');
    const folder = join(plant.folder, 'roots');
    await mkdir(folder);
    await writeFile(join(folder, 'vendor.pem'), vendor.pem);
    roots = ['--ek-roots', folder];
  });

  test('one of a trusted vendor for this EK is evidence, together with possession', async () => {
    await plant.gateway({ serialNumber: SERIAL, ek, ekCertificate: await vendor.certify(ek.privateKey) });
    const outcome = await plant.run(['--json', ...roots, '--require', 'ekCertificate']);
    expect(deviceEvents(outcome)).toMatchObject([{ result: 'done', evidence: 'certificate' }]);
  });

  test.each([
    ['of somebody else', async () => (await Authority.make('CN=TPM vendor')).certify(ek.privateKey)],
    ['for another key', async () => vendor.certify(generateStorageKey('ek').privateKey)],
    [
      'that is garbage',
      () => Promise.resolve('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
    ],
  ])('one %s stops the flow before the new password', async (_what, make) => {
    const box = await plant.gateway({ serialNumber: SERIAL, ek, ekCertificate: await make() });
    expect(codes(await plant.run(['--json', ...roots]))).toEqual(['PROVISION_EK_CERTIFICATE_INVALID']);
    expect(box.mustChange).toBe(true);
  });

  test('none at all is refused only where one is required', async () => {
    await plant.gateway({ serialNumber: SERIAL });
    expect(codes(await plant.run(['--json', ...roots, '--require', 'ekCertificate']))).toEqual([
      'PROVISION_EK_CERTIFICATE_MISSING',
    ]);
    expect(codes(await plant.run(['--json', ...roots]))).toEqual([undefined]);
  });
});

test('a factory record replaces trust on first use, its password included', async () => {
  const one = await plant.gateway({ serialNumber: SERIAL, password: 'label-1-Password' });
  const record = await factory(`${SERIAL},,${one.tls.keySha256},,label-1-Password`);
  const outcome = await plant.run(['--json', ...record], []);
  expect(deviceEvents(outcome)).toMatchObject([{ result: 'done' }]);
});

test('a key that is not the one of the factory record is an alarm, also with --trust-on-first-use', async () => {
  const one = await plant.gateway({ serialNumber: SERIAL });
  const record = await factory(`${SERIAL},,${'A'.repeat(43)}=,,`);
  expect(codes(await plant.run(['--json', '--replace', ...record]))).toEqual(['PROVISION_KEY_CHANGED']);
  expect(one.calls).toEqual([]);
});

test('an EK that is not the one of the factory record is refused', async () => {
  const one = await plant.gateway({ serialNumber: SERIAL });
  const other = generateStorageKey('ek').public.toString('base64');
  const record = await factory(`${SERIAL},,${one.tls.keySha256},${other},`);
  expect(codes(await plant.run(['--json', ...record], []))).toEqual(['PROVISION_EK_CHANGED']);
});

test('a TLS key that changes between two runs is an alarm until --replace is said', async () => {
  const file = journal();
  await plant.gateway({ serialNumber: SERIAL });
  expect((await plant.run(['--until', 'collected', ...file])).code).toBe(0);
  await plant.clear();
  const reset = await plant.gateway({ serialNumber: SERIAL });
  expect(codes(await plant.run(['--json', ...file]))).toEqual(['PROVISION_KEY_CHANGED']);
  expect(reset.calls).toEqual([]);
});

test('an EK that another gateway has shown before is refused', async () => {
  const file = journal();
  const ek = generateStorageKey('ek');
  await plant.gateway({ serialNumber: SERIAL, ek });
  expect((await plant.run(file)).code).toBe(0);
  await plant.gateway({ serialNumber: 'TAICB1046772', mac: '0090e8000002', ek });
  const outcome = await plant.run(['--json', ...file]);
  expect(codes(outcome)).toEqual([undefined, 'PROVISION_EK_REUSED']);
  expect([...plant.dps.enrollments.keys()]).toEqual(['taicb1046771']);
});

test('two answers for one device id with different keys are both refused, unless the record names one', async () => {
  const real = await plant.gateway({ serialNumber: SERIAL });
  const rogue = await plant.gateway({ serialNumber: SERIAL });
  expect(codes(await plant.run(['--json']))).toEqual(['PROVISION_ANSWERS_CONFLICT']);
  expect([...real.calls, ...rogue.calls]).toEqual([]);
  const record = await factory(`${SERIAL},,${real.tls.keySha256},,`);
  expect(codes(await plant.run(['--json', ...record], []))).toEqual([undefined]);
  expect(rogue.calls).toEqual([]);
});

test('a newcomer with the serial number of a finished gateway does not disturb it', async () => {
  const file = journal();
  await plant.gateway({ serialNumber: SERIAL });
  await plant.run(file);
  await plant.gateway({ serialNumber: SERIAL, mac: '0090e8000666' });
  const outcome = await plant.run(['--json', ...file]);
  expect(codes(outcome)).toEqual([undefined, 'PROVISION_REGISTRATION_ID_SHARED']);
});
