import { createHmac } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';

const Base64 = Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', minLength: 4, maxLength: 8192 });

/** What `GET /tpm` tells, the part that the utility reads. Works before the first password change. */
export const TpmIdentity = Type.Object({
  /** Base64 of the EK's whole TPM2B_PUBLIC. */
  endorsementKey: Base64,
  /** PEM, the EK's certificate first, then intermediates; absent where the TPM holds none. */
  endorsementKeyCertificate: Type.Optional(Type.Union([Type.String({ maxLength: 65_536 }), Type.Null()])),
  /** Base64 of the attestation key's TPM2B_PUBLIC: ECC P-256 under the SRK, restricted signing. */
  attestationKey: Type.Optional(Type.Union([Base64, Type.Null()])),
});
export type TpmIdentity = Static<typeof TpmIdentity>;

/** Body of `POST /tpm/attestation`: what TPM2_MakeCredential(EK, name of the attestation key) gave. */
export const AttestationChallenge = Type.Object({
  /** Base64 of the TPM2B_ID_OBJECT. */
  credentialBlob: Base64,
  /** Base64 of the TPM2B_ENCRYPTED_SECRET. */
  secret: Base64,
});
export type AttestationChallenge = Static<typeof AttestationChallenge>;

/** `data` of its answer. */
export const AttestationProof = Type.Object({
  /** Base64 of {@link possessionProof}. */
  proof: Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$' }),
});
export type AttestationProof = Static<typeof AttestationProof>;

/**
 * HMAC-SHA256(secret, SHA-256 of this TLS connection's SubjectPublicKeyInfo ‖ serial number). Bound to both, so that
 * a box in between cannot pass on the proof of another box.
 * @param credential what ActivateCredential recovered.
 * @param keySha256 base64, 32 bytes.
 */
export function possessionProof(credential: Uint8Array, keySha256: string, serialNumber: string): Buffer {
  return createHmac('sha256', credential)
    .update(Buffer.from(keySha256, 'base64'))
    .update(serialNumber, 'utf8')
    .digest();
}
