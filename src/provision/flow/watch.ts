import { TpeError, isTpeError } from '../../common/errors/tpe-error';
import { ProvisioningStatus } from '../../protocol/api-types';
import { nameOf } from '../device';
import type { GatewayClient } from '../gateway/client';
import { pause } from '../pause';

/** Short at first, because the usual case takes two seconds; then slower, because thousands are watched at once. */
const FIRST_POLL_MS = 250;
const SLOWEST_POLL_MS = 5000;
/** A failure left over from an earlier configuration may still be shown in the first moments. */
const FAILED_FOR_MS = 3000;

function connectedAs(status: ProvisioningStatus, registrationId: string): boolean {
  return (
    status.state === 'connected' &&
    (status.registrationId === undefined || status.registrationId === registrationId)
  );
}

function reasonIn(status: ProvisioningStatus | undefined): string {
  if (status === undefined) return 'it could not be asked';
  const last =
    status.lastError === undefined ? '' : `, ${status.lastError.code}: ${status.lastError.message}`;
  return `state ${status.state}${last}`;
}

/**
 * Polls `GET /provisioning` until the gateway is connected under this registration ID.
 * @throws PROVISION_NOT_CONNECTED with the gateway's own last error; a gateway that is out of reach meanwhile is
 *   asked again until the time is over.
 */
export async function watchUntilConnected(
  client: GatewayClient,
  registrationId: string,
  options: { timeoutMs: number; relogin: () => Promise<void>; signal?: AbortSignal },
): Promise<ProvisioningStatus> {
  const end = performance.now() + options.timeoutMs;
  let pollMs = FIRST_POLL_MS;
  let last: ProvisioningStatus | undefined;
  let failedSince: number | undefined;
  while (performance.now() < end && options.signal?.aborted !== true) {
    try {
      last = await client.read(ProvisioningStatus, 'GET', '/provisioning');
      if (connectedAs(last, registrationId)) return last;
    } catch (error) {
      if (isTpeError(error, 'PROVISION_GATEWAY_REFUSED') && error.details['status'] === 401)
        await options.relogin();
      else if (!isTpeError(error) || !error.retryable) throw error;
    }
    if (last?.state !== 'failed') failedSince = undefined;
    else failedSince ??= performance.now();
    if (failedSince !== undefined && performance.now() - failedSince >= FAILED_FOR_MS) break;
    await pause(Math.min(pollMs, end - performance.now()), options.signal);
    pollMs = Math.min(SLOWEST_POLL_MS, pollMs * 1.5);
  }
  throw new TpeError('PROVISION_NOT_CONNECTED', {
    device: nameOf(client.gateway),
    seconds: Math.round(options.timeoutMs / 1000),
    reason: reasonIn(last),
  });
}
