import { randomBytes, timingSafeEqual } from 'node:crypto';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { AttestationProof, possessionProof } from '../../protocol/attestation';
import { nameOf } from '../device';
import type { GatewayClient } from '../gateway/client';
import { makeCredential } from '../tpm/make-credential';
import { ATTRIBUTES, type PublicArea, parsePublicArea } from '../tpm/public-area';

const CREDENTIAL_BYTES = 32;

function attestationKeyProblem(area: PublicArea): string | undefined {
  const wanted = ATTRIBUTES.fixedTPM | ATTRIBUTES.fixedParent | ATTRIBUTES.restricted | ATTRIBUTES.sign;
  if ((area.attributes & wanted) !== wanted)
    return 'its attestation key is not fixed to the TPM, restricted and signing';
  // A key that decrypts could stand for a storage key and open what is meant for one.
  if ((area.attributes & ATTRIBUTES.decrypt) !== 0) return 'its attestation key decrypts';
  return undefined;
}

/**
 * Lets the gateway prove that its TPM holds both the EK and the attestation key, on this very TLS connection: the proof
 * covers the connection's key, so it cannot be fetched from another box.
 * @throws PROVISION_PROOF_FAILED, HTTP_*
 */
export async function provePossession(
  client: GatewayClient,
  ek: PublicArea,
  attestationKey: string,
): Promise<void> {
  const device = nameOf(client.gateway);
  const failed = (reason: string, cause?: unknown): TpeError =>
    new TpeError('PROVISION_PROOF_FAILED', { device, reason }, { cause });
  let area: PublicArea;
  try {
    area = parsePublicArea(Buffer.from(attestationKey, 'base64'));
  } catch (error) {
    throw failed(`its attestation key cannot be read: ${reasonOf(error)}`, error);
  }
  const problem = attestationKeyProblem(area);
  if (problem !== undefined) throw failed(problem);
  const credential = randomBytes(CREDENTIAL_BYTES);
  const made = makeCredential(ek, area.name, credential);
  const challenge = {
    credentialBlob: made.credentialBlob.toString('base64'),
    secret: made.secret.toString('base64'),
  };
  const answer = await client.send('POST', '/tpm/attestation', challenge);
  if (answer.status !== 200) throw failed(answer.error?.message ?? `it answered ${answer.status}`);
  const data = answer.data;
  const proof = typeof data === 'object' && data !== null && 'proof' in data ? data.proof : undefined;
  if (typeof proof !== 'string' || !new RegExp(AttestationProof.properties.proof.pattern ?? '').test(proof)) {
    throw failed('its answer holds no proof');
  }
  const expected = possessionProof(credential, answer.serverKey, client.gateway.serialNumber);
  credential.fill(0);
  if (!timingSafeEqual(expected, Buffer.from(proof, 'base64'))) throw failed('the proof is wrong');
}
