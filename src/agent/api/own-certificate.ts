import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { syncFolder, writeFileAtomic } from '../../common/fs/atomic-write';
import type { Logger } from '../../common/logger';
import type { TlsIdentity } from './tls-identity';

export type TlsKeys = Pick<TlsIdentity, 'key' | 'cert'>;

/**
 * The chain, and behind it the key: one file, because a power cut between two would leave a key beside the certificate of
 * another one, and clients would meet the self-made certificate that they have not pinned.
 */
const FILE = 'own-tls.pem';

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const KEY_BLOCK = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/g;
const LONGEST_CHAIN = 6;
const WEAKEST_RSA_BITS = 2048;

function refuse(reason: string, cause?: unknown): never {
  throw new TpeError('API_CERTIFICATE_REFUSED', { reason }, { cause });
}

function parse(certificatePem: string): X509Certificate[] {
  const blocks = certificatePem.match(BLOCK) ?? [];
  if (blocks.length === 0) refuse('it is not PEM');
  if (blocks.length > LONGEST_CHAIN) refuse('the chain is too long');
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    return refuse('it cannot be parsed', error);
  }
}

/** True when the certificate is for this host name, alone or in a domain, or for this address. */
function isNamed(leaf: X509Certificate, name: string): boolean {
  const [label = ''] = name.toLowerCase().split('.');
  const domains = [...(leaf.subjectAltName ?? '').toLowerCase().matchAll(/dns:([^,\s"]+)/g)];
  if (domains.some(([, domain]) => domain?.split('.')[0] === label)) return true;
  try {
    return leaf.checkHost(name) !== undefined || leaf.checkIP(name) !== undefined;
  } catch {
    // What is no address literal is no address in the certificate.
    return false;
  }
}

/**
 * Checks a certificate from outside before it can become active: key and certificate belong together, the chain is in
 * order, it is valid now, strong enough, and names this gateway.
 * @param names host names and IP addresses of this gateway; one of them must be in the certificate; none given means not asked.
 * @param clockIsTrusted false while the clock is not synchronised: then times prove nothing and are not judged.
 * @throws API_CERTIFICATE_REFUSED
 */
export function checkCertificate(
  certificatePem: string,
  keyPem: string,
  { names, now, clockIsTrusted }: { names: readonly string[]; now: number; clockIsTrusted: boolean },
): void {
  const chain = parse(certificatePem);
  const [leaf] = chain;
  if (leaf === undefined) refuse('it is not PEM');
  let key;
  try {
    key = createPrivateKey(keyPem);
  } catch (error) {
    refuse('the private key cannot be read; it must be PEM without a passphrase', error);
  }
  if (!leaf.checkPrivateKey(key)) refuse('the private key belongs to another certificate');
  chain.slice(1).forEach((issuer, i) => {
    const issued = chain[i];
    if (issued?.checkIssued(issuer) !== true || !issued.verify(issuer.publicKey)) {
      refuse(`the chain is not in order: number ${i + 1} was not issued by number ${i + 2}`);
    }
  });
  if (clockIsTrusted && now > Date.parse(leaf.validTo)) refuse('it has expired');
  if (clockIsTrusted && now < Date.parse(leaf.validFrom)) refuse('it is not valid yet');
  const bits = leaf.publicKey.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < WEAKEST_RSA_BITS) refuse(`its RSA key has only ${bits} bits`);
  if (names.length > 0 && !names.some((name) => isNamed(leaf, name)))
    refuse(`it names none of ${names.join(', ')}`);
  try {
    createSecureContext({ cert: certificatePem, key: keyPem, minVersion: 'TLSv1.2' });
  } catch (error) {
    refuse(reasonOf(error), error);
  }
}

/** @throws FILE_WRITE_FAILED; the one before then stays. */
export async function saveOwnCertificate(folder: string, { cert, key }: TlsKeys): Promise<void> {
  // Nothing but the blocks: text around them may be anything, another key included.
  const blocks = [...(cert.match(BLOCK) ?? []), ...(key.match(KEY_BLOCK) ?? [])];
  await writeFileAtomic(join(folder, FILE), `${blocks.join('\n')}\n`);
}

export async function removeOwnCertificate(folder: string): Promise<void> {
  await rm(join(folder, FILE), { force: true });
  await syncFolder(folder);
}

/** The certificate that was set; `undefined` where there is none that can be used, which is told. */
export async function loadOwnCertificate(folder: string, logger: Logger): Promise<TlsKeys | undefined> {
  try {
    const text = await readFile(join(folder, FILE), 'utf8');
    const blocks = (of: RegExp): string => `${(text.match(of) ?? []).join('\n')}\n`;
    const keys = { cert: blocks(BLOCK), key: blocks(KEY_BLOCK) };
    // Not judged by the clock: an expired certificate is still better known to clients than another one.
    checkCertificate(keys.cert, keys.key, { names: [], now: 0, clockIsTrusted: false });
    return keys;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      logger.error({ reason: reasonOf(error) }, 'the own certificate cannot be used; the self-made one is');
    }
    return undefined;
  }
}
