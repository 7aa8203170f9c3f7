import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
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
  const named =
    names.length === 0 ||
    names.some((name) => leaf.checkHost(name) !== undefined || leaf.checkIP(name) !== undefined);
  if (!named) refuse(`it names none of ${names.join(', ')}`);
  try {
    createSecureContext({ cert: certificatePem, key: keyPem, minVersion: 'TLSv1.2' });
  } catch (error) {
    refuse(reasonOf(error), error);
  }
}
