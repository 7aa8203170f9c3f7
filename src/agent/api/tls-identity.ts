import { X509Certificate, createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';
import { join } from 'node:path';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { writeFileAtomic } from '../../common/fs/atomic-write';
import { readOptional } from '../../common/fs/read-optional';
import { spkiSha256 } from '../../common/http/request';
import type { DeviceIdentity } from '../device/types';

/** What the HTTPS server presents. */
export interface TlsIdentity {
  /** PEM. */
  readonly key: string;
  /** PEM; the server's certificate first. */
  readonly cert: string;
  /** Base64 SHA-256 of the SubjectPublicKeyInfo (RFC 7469). */
  readonly spkiSha256: string;
}

const KEY_FILE = 'tls-key.pem';
const CERTIFICATE_FILE = 'tls-cert.pem';
/** RFC 5280, 4.1.2.5: no well-defined expiration date. The gateway's clock may be wrong for its whole life. */
const NO_EXPIRY = new Date('9999-12-31T23:59:59Z');
/** Before any gateway was made: a clock that restarts in 1970 is wrong for other reasons, one a day slow is not. */
const NOT_BEFORE = new Date('2020-01-01T00:00:00Z');
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const;
/** id-at-serialNumber (X.520); the library knows it by number only. */
const SERIAL_NUMBER = '2.5.4.5';
/** What the system lists as an address, without a zone. net.isIP compiles an expression that costs 3 ms at each start. */
const LITERAL = /^[0-9a-f.:]+$/i;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

async function makeKey(path: string): Promise<string> {
  const pair = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey));
  const pem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();
  await writeFileAtomic(path, pem);
  return pem;
}

async function makeCertificate(
  keyPem: string,
  identity: DeviceIdentity,
  addresses: readonly string[],
): Promise<string> {
  // Needed at the first start and after a change of address only, so it is not part of every start.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const key = createPrivateKey(keyPem);
  const privateKey = await webcrypto.subtle.importKey(
    'pkcs8',
    key.export({ format: 'der', type: 'pkcs8' }),
    CURVE,
    true,
    ['sign'],
  );
  const publicJwk = createPublicKey(keyPem).export({ format: 'jwk' });
  const publicKey = await webcrypto.subtle.importKey(
    'jwk',
    { ...publicJwk, key_ops: ['verify'] },
    CURVE,
    true,
    ['verify'],
  );
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [identity.serialNumber] }, { [SERIAL_NUMBER]: [identity.serialNumber] }],
    notBefore: NOT_BEFORE,
    notAfter: NO_EXPIRY,
    keys: { privateKey, publicKey },
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: identity.serialNumber.toLowerCase() },
        { type: 'dns', value: 'localhost' },
        ...addresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** True when this certificate was made from this key and names every address. */
function fits(certificatePem: string, keyPem: string, addresses: readonly string[]): boolean {
  try {
    const certificate = new X509Certificate(certificatePem);
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) return false;
    return addresses.every((address) => certificate.checkIP(address) !== undefined);
  } catch {
    // A damaged certificate holds no secret and is made again from the key.
    return false;
  }
}

/**
 * The gateway's TLS key and certificate, made at the first start. When an address is missing in the certificate, or
 * the certificate is damaged, it is made again **with the same key**, which clients have pinned.
 * @param addresses IP addresses for the certificate; loopback is always in it.
 * @throws API_TLS_KEY_DAMAGED: a new key would silently break every pin, so it is not made over an unreadable one.
 */
export async function loadOrCreateTlsIdentity(
  stateFolder: string,
  identity: DeviceIdentity,
  addresses: readonly string[],
): Promise<TlsIdentity> {
  const keyPath = join(stateFolder, KEY_FILE);
  const certificatePath = join(stateFolder, CERTIFICATE_FILE);
  const wanted = [...new Set(['127.0.0.1', '::1', ...addresses])].filter((address) => LITERAL.test(address));
  const key = (await readOptional(keyPath)) ?? (await makeKey(keyPath));
  try {
    createPrivateKey(key);
  } catch (error) {
    throw new TpeError('API_TLS_KEY_DAMAGED', { path: keyPath, reason: reasonOf(error) }, { cause: error });
  }
  let cert = await readOptional(certificatePath);
  if (cert === undefined || !fits(cert, key, wanted)) {
    cert = await makeCertificate(key, identity, wanted);
    await writeFileAtomic(certificatePath, cert);
  }
  return { key, cert, spkiSha256: spkiSha256(new X509Certificate(cert)) };
}
