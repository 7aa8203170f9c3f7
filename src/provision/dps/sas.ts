import { createHmac } from 'node:crypto';

/**
 * Shared access signature of the DPS service API: HMAC-SHA256 over `{resource}\n{expiry}` with the policy's key.
 * @param host host name of the service endpoint, without scheme and port.
 * @param expiry seconds since 1970.
 */
export function serviceSas(host: string, policyName: string, policyKey: string, expiry: number): string {
  const resource = encodeURIComponent(host);
  const signature = createHmac('sha256', Buffer.from(policyKey, 'base64'))
    .update(`${resource}\n${expiry}`)
    .digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${encodeURIComponent(policyName)}`;
}
