import { TpeError, isTpeError } from '../../common/errors/tpe-error';
import { TpmIdentity } from '../../protocol/attestation';
import { nameOf } from '../device';
import type { GatewayClient } from '../gateway/client';
import { AzureData } from '../gateway/schemas';
import type { Book } from '../journal/book';
import type { Evidence } from '../journal/record';
import { parsePublicArea, endorsementKeyProblem } from '../tpm/public-area';
import { ekCertificateProblem } from '../trust/ek-certificate';
import { provePossession } from '../trust/possession';
import type { Job } from './job';

export interface CollectedKey {
  /** Base64 of TPM2B_PUBLIC. */
  readonly endorsementKey: string;
  readonly evidence: Evidence;
}

function usable(client: GatewayClient, key: string): string {
  if (key === '') throw new TpeError('PROVISION_NO_EK', { device: nameOf(client.gateway) });
  const reason = endorsementKeyProblem(key);
  if (reason !== undefined) {
    throw new TpeError('PROVISION_EK_INVALID', { device: nameOf(client.gateway), reason });
  }
  return key;
}

/** `GET /tpm`; `undefined` where the gateway does not have this route, or not before the password change. */
async function tpmIdentity(client: GatewayClient): Promise<TpmIdentity | undefined> {
  try {
    return await client.read(TpmIdentity, 'GET', '/tpm');
  } catch (error) {
    const status = isTpeError(error, 'PROVISION_GATEWAY_REFUSED') ? error.details['status'] : undefined;
    if (status === 404 || status === 403) return undefined;
    throw error;
  }
}

function checkCertificate(client: GatewayClient, job: Job, identity: TpmIdentity): boolean {
  const device = nameOf(client.gateway);
  const pem = identity.endorsementKeyCertificate ?? undefined;
  const required = job.require.includes('ekCertificate');
  if (pem === undefined || job.ekRoots.length === 0) {
    if (required) throw new TpeError('PROVISION_EK_CERTIFICATE_MISSING', { device });
    return false;
  }
  const ek = parsePublicArea(Buffer.from(identity.endorsementKey, 'base64'));
  const reason = ekCertificateProblem(pem, ek, job.ekRoots);
  if (reason !== undefined) throw new TpeError('PROVISION_EK_CERTIFICATE_INVALID', { device, reason });
  return true;
}

/** Compares a key with everything that is known of this gateway and of the others. */
function checkKnown(client: GatewayClient, job: Job, book: Book, endorsementKey: string): boolean {
  const { gateway } = client;
  const device = nameOf(gateway);
  const recorded = job.factory.entryFor(gateway)?.endorsementKey;
  if (recorded !== undefined && recorded !== endorsementKey) {
    throw new TpeError('PROVISION_EK_CHANGED', { device, source: 'the factory record' });
  }
  const before = book.get(gateway.deviceId)?.endorsementKey;
  if (before !== undefined && before !== endorsementKey && !job.replace) {
    throw new TpeError('PROVISION_EK_CHANGED', { device, source: 'the journal' });
  }
  const holder = book.holderOf(endorsementKey);
  if (holder !== undefined && holder.gateway.deviceId !== gateway.deviceId && !job.replace) {
    throw new TpeError('PROVISION_EK_REUSED', { device, other: nameOf(holder.gateway) });
  }
  return recorded !== undefined;
}

/**
 * Reads the EK before the password change and lets the gateway prove that it holds it, so that no new password goes to
 * a box that only pretends. `undefined` where the gateway has no such route and no evidence is required; then
 * {@link plainKey} is left.
 */
export async function provenKey(
  client: GatewayClient,
  job: Job,
  book: Book,
): Promise<CollectedKey | undefined> {
  const identity = await tpmIdentity(client);
  const device = nameOf(client.gateway);
  if (identity === undefined) {
    if (job.require.length > 0) throw new TpeError('PROVISION_PROOF_UNSUPPORTED', { device });
    return undefined;
  }
  const endorsementKey = usable(client, identity.endorsementKey);
  const recorded = checkKnown(client, job, book, endorsementKey);
  const certified = checkCertificate(client, job, identity);
  const attestationKey = identity.attestationKey ?? undefined;
  // Also where only a certificate is required: it is public, and without the proof anybody can show it.
  if (attestationKey === undefined && job.require.length > 0) {
    throw new TpeError('PROVISION_PROOF_UNSUPPORTED', { device });
  }
  const ek = parsePublicArea(Buffer.from(endorsementKey, 'base64'));
  if (attestationKey !== undefined) await provePossession(client, ek, attestationKey);
  const evidence = evidenceOf(attestationKey !== undefined, certified, recorded);
  return { endorsementKey, evidence };
}

/** A certificate says that it is a TPM's key, but only the proof says that this box has that TPM. */
function evidenceOf(proven: boolean, certified: boolean, recorded: boolean): Evidence {
  if (recorded) return 'factoryRecord';
  if (!proven) return 'none';
  return certified ? 'certificate' : 'possession';
}

/** The EK of `GET /azure-iotedge`, for gateways that can prove nothing. */
export async function plainKey(client: GatewayClient, job: Job, book: Book): Promise<CollectedKey> {
  const { provisioning } = await client.read(AzureData, 'GET', '/azure-iotedge');
  const endorsementKey = usable(client, provisioning.endorsementKey ?? '');
  const recorded = checkKnown(client, job, book, endorsementKey);
  return { endorsementKey, evidence: recorded ? 'factoryRecord' : 'none' };
}
