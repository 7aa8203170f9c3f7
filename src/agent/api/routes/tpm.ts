import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';
import {
  AttestationChallenge,
  AttestationProof,
  TpmIdentity,
  possessionProof,
} from '../../../protocol/attestation';
import type { ApiDependencies } from '../dependencies';
import { EkCertificateView, viewEkCertificates } from '../ek-certificates';
import { LOGGED_IN, addRoute } from '../route';
import { data } from '../schemas/envelope';

const Tpm = Type.Object({
  ...TpmIdentity.properties,
  endorsementKeyTemplate: Type.Optional(Type.String()),
  endorsementKeyName: Type.String({ description: 'hexadecimal' }),
  endorsementKeyCertificates: Type.Array(EkCertificateView),
  manufacturer: Type.String(),
  firmwareVersion: Type.String(),
  specRevision: Type.String(),
});

/** Each is three commands on a bus of a few kB/s, in front of the signature that keeps the hub connection. */
const MOST_ATTESTATIONS = 2;

/**
 * EK, EK certificate and the proof that this TPM holds the EK. All of them work before the first password change: no
 * new password should go to a box that has proved nothing. The SRK is never shown.
 */
export function tpmRoutes(
  app: FastifyInstance,
  { tpm, ekCaFolder, httpServer, identity }: ApiDependencies,
): void {
  let attesting = 0;
  const present = (): NonNullable<ApiDependencies['tpm']> => {
    if (tpm === undefined) throw new TpeError('API_TPM_ABSENT');
    return tpm;
  };

  addRoute(app, {
    method: 'GET',
    url: '/tpm',
    access: LOGGED_IN,
    summary: 'The TPM, its endorsement key and certificate, and the attestation key',
    tag: 'tpm',
    answer: data(Tpm),
    handler: async () => {
      const facade = present();
      const [ek, info, certificates, attestation] = await Promise.all([
        facade.endorsementKey(),
        facade.info(),
        facade.ekCertificates(),
        facade.attestationKey(),
      ]);
      const pem = certificates
        .filter(({ forThisEk }) => forThisEk)
        .map((certificate) => certificate.pem)
        .join('');
      return {
        data: {
          endorsementKey: ek.public.toString('base64'),
          endorsementKeyName: ek.name.toString('hex'),
          endorsementKeyCertificate: pem === '' ? null : pem,
          endorsementKeyCertificates: await viewEkCertificates(certificates, ekCaFolder),
          attestationKey: attestation.public.toString('base64'),
          ...(ek.template === undefined ? {} : { endorsementKeyTemplate: ek.template }),
          manufacturer: info.manufacturer,
          firmwareVersion: info.firmwareVersion,
          specRevision: info.specRevision,
        },
      };
    },
  });

  addRoute(app, {
    method: 'POST',
    url: '/tpm/attestation',
    access: LOGGED_IN,
    summary: 'Prove that this TPM holds the endorsement key; bound to the key of this TLS connection',
    tag: 'tpm',
    event: 'attestation',
    body: AttestationChallenge,
    answer: data(AttestationProof),
    handler: async (request) => {
      const facade = present();
      if (attesting >= MOST_ATTESTATIONS) throw new TpeError('API_BUSY');
      const [credentialBlob, secret] = [request.body.credentialBlob, request.body.secret].map((text) =>
        Buffer.from(text, 'base64'),
      );
      attesting += 1;
      // Counted until the TPM is done, not until the client goes away.
      const credential = await facade
        .activateCredential(credentialBlob ?? Buffer.alloc(0), secret ?? Buffer.alloc(0))
        .finally(() => (attesting -= 1));
      const proof = possessionProof(credential, httpServer.keySha256(), identity.serialNumber);
      credential.fill(0);
      return { data: { proof: proof.toString('base64') } };
    },
  });
}
