import 'reflect-metadata';
import { type KeyObject, createHash, createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';

export interface TlsIdentity {
  readonly key: string;
  readonly cert: string;
  /** Base64 SHA-256 of the SubjectPublicKeyInfo. */
  readonly keySha256: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

/** A self-signed P-256 certificate, made in the process: thousands are needed at scale. */
export async function makeTlsIdentity(commonName: string): Promise<TlsIdentity> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys = {
    privateKey: await webcrypto.subtle.importKey(
      'pkcs8',
      privateKey.export({ type: 'pkcs8', format: 'der' }),
      ALGORITHM,
      false,
      ['sign'],
    ),
    publicKey: await webcrypto.subtle.importKey('spki', spkiOf(privateKey), ALGORITHM, true, ['verify']),
  };
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('9999-12-31T23:59:59Z'),
    signingAlgorithm: ALGORITHM,
    keys,
  });
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: certificate.toString('pem'),
    keySha256: createHash('sha256').update(spkiOf(privateKey)).digest('base64'),
  };
}
