import { X509Certificate } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { PublicArea } from '../tpm/public-area';

const LONGEST_CHAIN = 6;
const CERTIFICATE_FILE = /\.(pem|crt|cer|der)$/i;

/** All certificates of a PEM text, or the one of a DER file. */
export function parseCertificates(content: Buffer): X509Certificate[] {
  const blocks = content
    .toString('latin1')
    .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return blocks === null ? [new X509Certificate(content)] : blocks.map((pem) => new X509Certificate(pem));
}

/**
 * Reads the TPM vendors' certificates of a folder; self-signed ones are roots, others may link to them.
 * @throws FILE_READ_FAILED, PROVISION_SETTING_INVALID
 */
export async function loadRoots(folder: string): Promise<X509Certificate[]> {
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => CERTIFICATE_FILE.test(name)).sort();
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path: folder, reason: reasonOf(error) }, { cause: error });
  }
  const roots: X509Certificate[] = [];
  for (const name of names) {
    const path = join(folder, name);
    try {
      roots.push(...parseCertificates(await readFile(path)));
    } catch (error) {
      throw new TpeError(
        'PROVISION_SETTING_INVALID',
        { setting: path, reason: reasonOf(error) },
        { cause: error },
      );
    }
  }
  if (roots.length === 0) {
    throw new TpeError('PROVISION_SETTING_INVALID', { setting: folder, reason: 'it holds no certificate' });
  }
  return roots;
}

function issuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function expired(certificate: X509Certificate, now: number): boolean {
  return Date.parse(certificate.validFrom) > now || Date.parse(certificate.validTo) < now;
}

function sameKey(certificate: X509Certificate, ek: PublicArea): boolean {
  const { n } = certificate.publicKey.export({ format: 'jwk' });
  return n !== undefined && ek.rsa !== undefined && Buffer.from(n, 'base64url').equals(ek.rsa.modulus);
}

/**
 * Checks that a certificate is for this EK and leads to one of the trusted roots.
 * @param pem EK certificate first, then intermediates that the gateway knows.
 * @returns why not, or `undefined`.
 */
export function ekCertificateProblem(
  pem: string,
  ek: PublicArea,
  roots: readonly X509Certificate[],
  now = Date.now(),
): string | undefined {
  try {
    const [leaf, ...sent] = parseCertificates(Buffer.from(pem));
    if (leaf === undefined) return 'it is empty';
    if (!sameKey(leaf, ek)) return 'it is for another key';
    const trusted = new Set(roots.map((root) => root.fingerprint256));
    const candidates = [...roots, ...sent];
    let current = leaf;
    for (let depth = 0; depth < LONGEST_CHAIN; depth += 1) {
      if (expired(current, now)) return `${current.subject.replaceAll('\n', ', ')} is not valid now`;
      if (depth > 0 && trusted.has(current.fingerprint256)) return undefined;
      const issuer = candidates.find((candidate) => candidate !== current && issuedBy(current, candidate));
      if (issuer === undefined) return `its issuer ${current.issuer.replaceAll('\n', ', ')} is not trusted`;
      current = issuer;
    }
    return 'its chain is too long';
  } catch (error) {
    return reasonOf(error);
  }
}
