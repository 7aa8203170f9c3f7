import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type PeerCertificate, checkServerIdentity } from 'node:tls';

/**
 * `tls.checkServerIdentity`, which in some builds of Node 20.19 (Debian 13's) passes the host through IDNA first and so
 * takes no IPv6 address for one. An address has to stand in the certificate's iPAddress names (RFC 9525, section 6.5).
 */
export function serverIdentityProblem(host: string, certificate: PeerCertificate): Error | undefined {
  if (isIP(host) === 0) return checkServerIdentity(host, certificate);
  const [address = ''] = host.split('%');
  if (new X509Certificate(certificate.raw).checkIP(address) !== undefined) return undefined;
  const error = new Error(
    `the certificate is not for ${address}, it names ${certificate.subjectaltname ?? 'nothing'}`,
  );
  return Object.assign(error, { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}
