import { createHmac } from 'node:crypto';
import type { ReadyLine } from '../../src/emulator/emulator';
import { httpsCall } from '../../src/common/http/request';
import { makeSasToken } from '../../src/common/sas-token';
import { NodeTpm } from './node-tpm';

const BULK = 10;

/** Enrolls gateways `storm-0`, `storm-1` … with the key of {@link NodeTpm}. @returns their registration IDs */
export async function enrollAll(ready: ReadyLine, ca: string, gateways: number): Promise<string[]> {
  const key = Buffer.from(ready.policyKey, 'base64');
  const sign = async (data: Uint8Array): Promise<Buffer> =>
    Promise.resolve(createHmac('sha256', key).update(data).digest());
  const expiry = Math.floor(Date.now() / 1000) + 600;
  const token = await makeSasToken('localhost', expiry, sign, ready.policyName);
  const ek = await new NodeTpm().endorsementKey();
  const attestation = { type: 'tpm', tpm: { endorsementKey: ek.public.toString('base64') } };
  const ids = Array.from({ length: gateways }, (_, i) => `storm-${i}`);
  const { hostname: host, port } = new URL(ready.service);
  for (let i = 0; i < ids.length; i += BULK) {
    const enrollments = ids.slice(i, i + BULK).map((registrationId) => ({
      registrationId,
      attestation,
      provisioningStatus: 'enabled',
    }));
    const answer = await httpsCall({
      host,
      port: Number(port),
      method: 'POST',
      path: '/enrollments?api-version=2021-10-01',
      headers: { Authorization: token },
      body: { mode: 'create', enrollments },
      ca,
      timeoutMs: 30_000,
    });
    if (answer.status !== 200) throw new Error(`enrolling: ${answer.status} ${answer.text}`);
  }
  return ids;
}
