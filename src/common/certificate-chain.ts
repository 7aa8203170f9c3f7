import { X509Certificate } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TpeError, reasonOf } from './errors/tpe-error';

const LONGEST_CHAIN = 6;
const CERTIFICATE_FILE = /\.(pem|crt|cer|der)$/i;

/** All certificates of a PEM text, or the one of a DER file. @throws what X509Certificate throws. */
export function parseCertificates(content: Buffer): X509Certificate[] {
  const blocks = content
    .toString('latin1')
    .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return blocks === null ? [new X509Certificate(content)] : blocks.map((pem) => new X509Certificate(pem));
}

/**
 * Reads the certificates of a folder (*.pem, *.crt, *.cer, *.der), sorted by file name.
 * @throws FILE_READ_FAILED
 */
export async function readCertificates(folder: string): Promise<X509Certificate[]> {
  const found: X509Certificate[] = [];
  let path = folder;
  try {
    const names = (await readdir(folder)).filter((name) => CERTIFICATE_FILE.test(name)).sort();
    for (const name of names) {
      path = join(folder, name);
      found.push(...parseCertificates(await readFile(path)));
    }
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
  return found;
}

function issuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

const oneLine = (name: string): string => name.replaceAll('\n', ', ');

/**
 * Follows a certificate to one of the trusted ones (RFC 5280, 6.1: issuer, signature, validity, CA bit).
 * @param sent intermediates that came with it; they are believed only as links.
 * @returns why it does not lead there, or `undefined`.
 */
export function chainProblem(
  leaf: X509Certificate,
  sent: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  now = Date.now(),
): string | undefined {
  const trusted = new Set(roots.map((root) => root.fingerprint256));
  const candidates = [...roots, ...sent];
  let current = leaf;
  for (let depth = 0; depth < LONGEST_CHAIN; depth += 1) {
    if (Date.parse(current.validFrom) > now || Date.parse(current.validTo) < now) {
      return `${oneLine(current.subject)} is not valid now`;
    }
    if (depth > 0 && trusted.has(current.fingerprint256)) return undefined;
    const here = current;
    const issuer = candidates.find((candidate) => candidate !== here && issuedBy(here, candidate));
    if (issuer === undefined) return `its issuer ${oneLine(current.issuer)} is not trusted`;
    current = issuer;
  }
  return 'its chain is too long';
}
