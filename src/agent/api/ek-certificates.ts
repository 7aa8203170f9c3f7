import { X509Certificate } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { chainProblem, readCertificates } from '../../common/certificate-chain';
import { reasonOf } from '../../common/errors/tpe-error';
import type { EkCertificate } from '../tpm';

/** An EK certificate as `GET /tpm` shows it. */
export const EkCertificateView = Type.Object({
  index: Type.String({ description: 'NV index, hexadecimal' }),
  keyType: Type.Union([Type.Literal('rsa'), Type.Literal('ec')]),
  subject: Type.String(),
  issuer: Type.String(),
  manufacturer: Type.Optional(Type.String()),
  model: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  validFrom: Type.String({ description: 'ISO 8601' }),
  validTo: Type.String({ description: 'ISO 8601' }),
  forThisEk: Type.Boolean({ description: 'certifies the endorsement key in use' }),
  trusted: Type.Union([Type.Boolean(), Type.Null()], {
    description: 'leads to a root in the folder of the settings; null where no folder is set',
  }),
  trustProblem: Type.Optional(Type.String()),
});
type EkCertificateView = Static<typeof EkCertificateView>;

const oneLine = (name: string): string => name.replaceAll('\n', ', ');

/**
 * What the TPM holds, judged by the certificates in `caFolder`. The folder is read each time: roots that are added
 * count at once, and a folder that cannot be read is told with every certificate.
 */
export async function viewEkCertificates(
  certificates: readonly EkCertificate[],
  caFolder: string | undefined,
): Promise<EkCertificateView[]> {
  let roots: readonly X509Certificate[] = [];
  let unreadable: string | undefined;
  try {
    if (caFolder !== undefined) roots = await readCertificates(caFolder);
  } catch (error) {
    unreadable = reasonOf(error);
  }
  const others = certificates.map(({ der }) => new X509Certificate(der));
  return certificates.map((certificate) => {
    const { index, keyType, manufacturer, model, version, validFrom, validTo, forThisEk } = certificate;
    const problem = unreadable ?? chainProblem(new X509Certificate(certificate.der), others, roots);
    return {
      index: `0x${index.toString(16).padStart(8, '0')}`,
      keyType,
      subject: oneLine(certificate.subject),
      issuer: oneLine(certificate.issuer),
      ...(manufacturer === undefined ? {} : { manufacturer }),
      ...(model === undefined ? {} : { model }),
      ...(version === undefined ? {} : { version }),
      validFrom,
      validTo,
      forThisEk,
      trusted: caFolder === undefined ? null : problem === undefined,
      ...(caFolder === undefined || problem === undefined ? {} : { trustProblem: problem }),
    };
  });
}
