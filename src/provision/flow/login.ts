import { TpeError } from '../../common/errors/tpe-error';
import { nameOf } from '../device';
import type { GatewayClient } from '../gateway/client';
import { changePassword, tryLogin } from '../gateway/session';

export interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly newPassword: string | undefined;
}

/**
 * Logs in with the current password, or with the new one when an earlier run has set it already: two tries at most,
 * far from any lock-out.
 */
export async function login(
  client: GatewayClient,
  credentials: Credentials,
): Promise<{ password: string; mustChange: boolean }> {
  const { user, password, newPassword } = credentials;
  const candidates =
    newPassword === undefined || newPassword === password ? [password] : [password, newPassword];
  for (const candidate of candidates) {
    const result = await tryLogin(client, user, candidate);
    if (result !== undefined) return { password: candidate, mustChange: result.mustChange };
  }
  throw new TpeError('PROVISION_LOGIN_REFUSED', { device: nameOf(client.gateway), user });
}

/** Sets the new password where the gateway insists. Returns whether it did. */
export async function changeInitialPassword(
  client: GatewayClient,
  credentials: Credentials,
  current: { password: string; mustChange: boolean },
): Promise<boolean> {
  if (!current.mustChange) return false;
  if (credentials.newPassword === undefined) {
    throw new TpeError('PROVISION_NEW_PASSWORD_NEEDED', { device: nameOf(client.gateway) });
  }
  await changePassword(client, credentials.user, current.password, credentials.newPassword);
  return true;
}
