import type { X509Certificate } from 'node:crypto';
import { chainProblem, parseCertificates, readCertificates } from '../../common/certificate-chain';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { PublicArea } from '../tpm/public-area';

/**
 * Reads the TPM vendors' certificates of a folder; self-signed ones are roots, others may link to them.
 * @throws FILE_READ_FAILED, PROVISION_SETTING_INVALID
 */
export async function loadRoots(folder: string): Promise<X509Certificate[]> {
  const roots = await readCertificates(folder);
  if (roots.length === 0) {
    throw new TpeError('PROVISION_SETTING_INVALID', { setting: folder, reason: 'it holds no certificate' });
  }
  return roots;
}

function sameKey(certificate: X509Certificate, ek: PublicArea): boolean {
  const { n, e } = certificate.publicKey.export({ format: 'jwk' });
  if (n === undefined || e === undefined || ek.rsa === undefined) return false;
  const exponent = BigInt(`0x${Buffer.from(e, 'base64url').toString('hex')}`);
  return exponent === BigInt(ek.rsa.exponent) && Buffer.from(n, 'base64url').equals(ek.rsa.modulus);
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
    return chainProblem(leaf, sent, roots, now);
  } catch (error) {
    return reasonOf(error);
  }
}
