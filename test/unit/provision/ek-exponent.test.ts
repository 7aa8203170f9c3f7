import 'reflect-metadata';
import { X509Certificate, generateKeyPairSync, webcrypto } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';
import { makeCredential } from '../../../src/provision/tpm/make-credential';
import { endorsementKeyProblem, parsePublicArea } from '../../../src/provision/tpm/public-area';
import { ekCertificateProblem } from '../../../src/provision/trust/ek-certificate';
import { generateStorageKey, rsaStoragePublic } from '../../support/gateway-simulator-keys';

const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };

/** The same area with another exponent field, four bytes before the modulus with its size. */
function withExponent(area: Buffer, exponent: number): Buffer {
  const changed = Buffer.from(area);
  changed.writeUInt32BE(exponent, changed.length - 256 - 2 - 4);
  return changed;
}

const ek = generateStorageKey('ek').public;

test.each([0, 65_537])('an EK with exponent field %d is the default 65537, and usable', (exponent) => {
  const area = withExponent(ek, exponent);
  expect(endorsementKeyProblem(area.toString('base64'))).toBeUndefined();
  expect(parsePublicArea(area).rsa?.exponent).toBe(65_537);
});

test.each([1, 2, 3, 65_539, 0xffffffff])('an EK with exponent %d is refused', (exponent) => {
  const problem = endorsementKeyProblem(withExponent(ek, exponent).toString('base64'));
  expect(problem).toContain('exponent');
});

test('no credential is made for a key with exponent 1, which would send it in clear', () => {
  const area = parsePublicArea(withExponent(ek, 1));
  expect(() => makeCredential(area, Buffer.alloc(34), Buffer.alloc(32))).toThrow('exponent');
});

test('the certificate of a genuine modulus does not speak for the same modulus with another exponent', async () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'der' });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=TPM',
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('9999-12-31T23:59:59Z'),
    signingAlgorithm: RSA,
    keys: {
      privateKey: await webcrypto.subtle.importKey('pkcs8', privateKey, RSA, false, ['sign']),
      publicKey: await webcrypto.subtle.importKey('spki', publicKey, RSA, true, ['verify']),
    },
  });
  const pem = certificate.toString('pem');
  const roots = [new X509Certificate(pem)];
  const genuine = rsaStoragePublic(pair.publicKey, 'ek');
  const problem = (area: Buffer): string | undefined =>
    ekCertificateProblem(pem, parsePublicArea(area), roots);
  expect(problem(genuine)).not.toBe('it is for another key');
  expect(problem(withExponent(genuine, 1))).toBe('it is for another key');
});
