import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { serverIdentityProblem } from '../../../src/common/http/server-identity';
import { selfSigned } from '../../support/certificates';
import { withTempFolder } from '../../support/temp';

let certificate: PeerCertificate;

beforeAll(() =>
  withTempFolder((folder) => {
    const { raw, subjectAltName = '' } = new X509Certificate(selfSigned(folder).cert);
    certificate = { raw, subjectaltname: subjectAltName, subject: { CN: 'localhost' } } as PeerCertificate;
    return Promise.resolve();
  }),
);

test.each(['localhost', '127.0.0.1', '::1', '::1%lo', '0:0:0:0:0:0:0:1'])('%s is named', (host) => {
  expect(serverIdentityProblem(host, certificate)).toBeUndefined();
});

test.each(['example.org', '127.0.0.2', '::2', 'fe80::1%eth0'])('%s is not', (host) => {
  expect(serverIdentityProblem(host, certificate)).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
});
