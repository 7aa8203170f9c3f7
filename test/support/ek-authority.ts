import 'reflect-metadata';
import { type KeyObject, createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import type { X509Certificate } from '@peculiar/x509';
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const VALID = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2099-12-31T23:59:59Z') };

/** A TPM vendor that certifies endorsement keys. */
export class Authority {
  readonly pem: string;
  readonly #name: string;
  readonly #key: webcrypto.CryptoKey;

  private constructor(name: string, key: webcrypto.CryptoKey, certificate: X509Certificate) {
    this.#name = name;
    this.#key = key;
    this.pem = certificate.toString('pem');
  }

  static async make(name: string): Promise<Authority> {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const privateDer = pair.privateKey.export({ type: 'pkcs8', format: 'der' });
    const publicDer = pair.publicKey.export({ type: 'spki', format: 'der' });
    const keys = {
      privateKey: await webcrypto.subtle.importKey('pkcs8', privateDer, ALGORITHM, false, ['sign']),
      publicKey: await webcrypto.subtle.importKey('spki', publicDer, ALGORITHM, true, ['verify']),
    };
    const certificate = await X509CertificateGenerator.createSelfSigned({
      ...VALID,
      name,
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    });
    return new Authority(name, keys.privateKey, certificate);
  }

  /** A certificate for the public half of this RSA key, as PEM. */
  async certify(key: KeyObject): Promise<string> {
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
    const certificate = await X509CertificateGenerator.create({
      ...VALID,
      subject: 'CN=TPM',
      issuer: this.#name,
      signingKey: this.#key,
      signingAlgorithm: ALGORITHM,
      publicKey: await webcrypto.subtle.importKey('spki', spki, RSA, true, ['verify']),
    });
    return certificate.toString('pem');
  }
}
