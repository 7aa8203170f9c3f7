import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { codeOf } from '../../common/errors/tpe-error';
import { writeFileAtomic } from '../../common/fs/atomic-write';

/** What the emulator's TLS servers need. */
export interface ServerIdentity {
  /** PEM. */
  readonly key: string;
  /** PEM, the server's certificate and its CA. */
  readonly cert: string;
  /** File with the CA certificate that clients trust. */
  readonly caFile: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const SERVER_DAYS = 397;

type KeyPair = webcrypto.CryptoKeyPair;

const serial = (): string => randomBytes(16).toString('hex');

async function newKeys(): Promise<KeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = PemConverter.decode(pem);
  return await webcrypto.subtle.importKey('pkcs8', der ?? new ArrayBuffer(0), ALGORITHM, true, ['sign']);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function makeAuthority(keyFile: string, caFile: string): Promise<void> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial(),
      name: `CN=tpe-cloud-emulator CA ${randomBytes(4).toString('hex')}`,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + CA_DAYS * DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    },
    webcrypto,
  );
  // The key first: a certificate without its key could sign nothing and would never be made again.
  await writeFileAtomic(keyFile, await exportKey(keys.privateKey));
  await writeFileAtomic(caFile, certificate.toString('pem'), 0o644);
}

/**
 * The CA in the state folder, and a server certificate by it for these names; a new one for every start, so that it
 * never expires under way and always covers the names. Both are made with node's own key generator.
 * @param names DNS names and IP addresses.
 */
export async function openServerIdentity(folder: string, names: readonly string[]): Promise<ServerIdentity> {
  const caFile = join(folder, 'ca.pem');
  const keyFile = join(folder, 'ca.key');
  if ((await readIfThere(caFile)) === undefined || (await readIfThere(keyFile)) === undefined) {
    await makeAuthority(keyFile, caFile);
  }
  const ca = new X509Certificate(await readFile(caFile, 'utf8'));
  const caKey = await importKey(await readFile(keyFile, 'utf8'));
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: serial(),
      subject: 'CN=tpe-cloud-emulator',
      issuer: ca.subject,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + SERVER_DAYS * DAY_MS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: caKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
        ),
      ],
    },
    webcrypto,
  );
  return {
    key: await exportKey(keys.privateKey),
    cert: `${certificate.toString('pem')}\n${ca.toString('pem')}\n`,
    caFile,
  };
}
