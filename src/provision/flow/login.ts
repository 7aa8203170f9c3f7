import { TpeError } from '../../common/errors/tpe-error';
import { type Gateway, nameOf } from '../device';
import type { GatewayClient } from '../gateway/client';
import { changePassword, tryLogin } from '../gateway/session';
import type { DeviceRecord } from '../journal/record';
import type { NewPasswords } from '../passwords/new-passwords';

export interface Credentials {
  readonly user: string;
  /** Password that is set now: the factory's, or one that an earlier run set. */
  readonly password: (gateway: Gateway) => string;
  /** Passwords to set where a gateway asks for a change; also tried when the other is refused. */
  readonly newPasswords: NewPasswords;
}

/** Moxa's lock-out counts ten failures in fifteen minutes; this stays well below, whatever the operator repeats. */
const MOST_REFUSED = 5;
const WINDOW_MS = 15 * 60_000;

export interface LoggedIn {
  readonly password: string;
  readonly mustChange: boolean;
}

/** Passwords worth trying, the likelier one first: two at most. */
function candidates(credentials: Credentials, gateway: Gateway, record: DeviceRecord | undefined): string[] {
  const password = credentials.password(gateway);
  const newPassword = credentials.newPasswords.known(gateway);
  if (newPassword === undefined || newPassword === password) return [password];
  return record?.password === undefined ? [password, newPassword] : [newPassword, password];
}

/**
 * Logs in with the current password, or with the new one when an earlier run has set it already.
 * @param refused told the times of refused logins, so that they can be kept.
 * @throws PROVISION_LOGIN_PAUSED before anything is sent, PROVISION_LOGIN_REFUSED, PROVISION_ACCOUNT_LOCKED, HTTP_*
 */
export async function login(
  client: GatewayClient,
  credentials: Credentials,
  record?: DeviceRecord,
  refused: (times: number[]) => Promise<unknown> = () => Promise.resolve(),
): Promise<LoggedIn> {
  const device = nameOf(client.gateway);
  const times = (record?.refusedLogins ?? []).filter((time) => time > Date.now() - WINDOW_MS);
  for (const password of candidates(credentials, client.gateway, record)) {
    if (times.length >= MOST_REFUSED) {
      throw new TpeError('PROVISION_LOGIN_PAUSED', { device, count: times.length });
    }
    const result = await tryLogin(client, credentials.user, password);
    if (result !== undefined) return { password, mustChange: result.mustChange };
    times.push(Date.now());
    await refused([...times]);
  }
  throw new TpeError('PROVISION_LOGIN_REFUSED', { device, user: credentials.user });
}

/**
 * Sets the new password where the gateway insists. Returns whether it did.
 * @param changing awaited before the change is sent: a crash in between must not lose the new password.
 */
export async function changeInitialPassword(
  client: GatewayClient,
  credentials: Credentials,
  current: LoggedIn,
  changing: () => Promise<unknown>,
): Promise<boolean> {
  if (!current.mustChange) return false;
  const newPassword = await credentials.newPasswords.obtain(client.gateway);
  if (newPassword === undefined) {
    throw new TpeError('PROVISION_NEW_PASSWORD_NEEDED', { device: nameOf(client.gateway) });
  }
  await changing();
  await changePassword(client, credentials.user, current.password, newPassword);
  return true;
}
