import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { isIP } from 'node:net';
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
/** In a sentence for a person. */
const MOST_NAMES = 8;

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

/** The host names and addresses that clients look for (RFC 9525: the common name does not count). */
function namesIn(leaf: X509Certificate): string[] {
  return [...(leaf.subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,\s"]+)/g)].map(
    ([, name = '']) => name,
  );
}

/** True when the certificate may be for this host name, alone or in some domain, or is for this address. */
function mayBeFor(leaf: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return leaf.checkIP(name) !== undefined;
  if (leaf.checkHost(name, { subject: 'never' }) !== undefined) return true;
  // A host that knows only the first label of its name knows no domain either.
  const label = name.toLowerCase();
  const firsts = namesIn(leaf).map((each) => each.toLowerCase().split('.')[0]);
  return !label.includes('.') && firsts.some((first) => first === label || first === '*');
}

/**
 * What clients that check names may find wrong, for a person; `undefined` when nothing is known.
 * @param names host names and IP addresses of this gateway, as far as it knows.
 */
function namesProblem(leaf: X509Certificate, names: readonly string[]): string | undefined {
  if (names.some((name) => mayBeFor(leaf, name))) return undefined;
  const found = namesIn(leaf);
  if (found.length === 0)
    return 'the certificate has no subjectAltName: clients that check names will refuse it';
  return (
    `the certificate names ${found.slice(0, MOST_NAMES).join(', ')}, and this gateway knows itself as ` +
    `${names.slice(0, MOST_NAMES).join(', ')}: clients that check names have to reach it by a name in the certificate`
  );
}

/**
 * What clients that check certificates may find wrong with the one in use.
 * @param now `undefined` while the clock proves nothing.
 */
export function certificateWarning(
  certificatePem: string,
  names: readonly string[],
  now: number | undefined,
): string | undefined {
  const leaf = new X509Certificate(certificatePem);
  if (now !== undefined && now > Date.parse(leaf.validTo))
    return `the certificate has expired: ${leaf.validTo}`;
  return namesProblem(leaf, names);
}

/**
 * Checks that clients which check names can reach this gateway with the certificate. By which names it is reached (an
 * alias, a translated address) is known to its network only: whoever knows better can leave this out.
 * @throws API_CERTIFICATE_REFUSED
 */
export function checkNames(certificatePem: string, names: readonly string[]): void {
  const problem = namesProblem(new X509Certificate(certificatePem), names);
  if (problem !== undefined) refuse(`${problem}. If they do, send "allowOtherNames": true`);
}

/**
 * Checks a certificate from outside before it can become active: key and certificate belong together, the chain is in
 * order, it is valid now and strong enough. What it names is judged by {@link checkNames}.
 * @param clockIsTrusted false while the clock is not synchronised: then times prove nothing and are not judged.
 * @throws API_CERTIFICATE_REFUSED
 */
export function checkCertificate(
  certificatePem: string,
  keyPem: string,
  { now, clockIsTrusted }: { now: number; clockIsTrusted: boolean },
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
    checkCertificate(keys.cert, keys.key, { now: 0, clockIsTrusted: false });
    return keys;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      logger.error({ reason: reasonOf(error) }, 'the own certificate cannot be used; the self-made one is');
    }
    return undefined;
  }
}
