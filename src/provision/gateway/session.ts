import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { nameOf } from '../device';
import type { GatewayClient } from './client';
import { LoginData } from './schemas';

export interface LoginResult {
  /** The account's password has to be changed before any other route works. */
  readonly mustChange: boolean;
}

/**
 * Logs in; the client carries the token from then on.
 * @returns `undefined` when name or password are wrong.
 * @throws PROVISION_ACCOUNT_LOCKED, PROVISION_GATEWAY_REFUSED, PROVISION_GATEWAY_ANSWER, HTTP_*.
 */
export async function tryLogin(
  client: GatewayClient,
  user: string,
  password: string,
): Promise<LoginResult | undefined> {
  client.token = undefined;
  const answer = await client.send('POST', '/auth', { acceptEULA: true, name: user, password });
  if (answer.status === 401) return undefined;
  if (answer.status === 423) {
    throw new TpeError('PROVISION_ACCOUNT_LOCKED', { device: nameOf(client.gateway), user });
  }
  if (answer.status !== 200) throw client.refusal('POST', '/auth', answer);
  try {
    const login = validate(LoginData, answer.data, 'the answer');
    client.token = login.token;
    return { mustChange: (login.user?.flag ?? login.flag) === 'passwordMustChange' };
  } catch (error) {
    const details = {
      device: nameOf(client.gateway),
      method: 'POST',
      path: '/auth',
      reason: reasonOf(error),
    };
    throw new TpeError('PROVISION_GATEWAY_ANSWER', details, { cause: error });
  }
}

/** Changes the own password and logs in with the new one, because the change ends every session. */
export async function changePassword(
  client: GatewayClient,
  user: string,
  oldPassword: string,
  newPassword: string,
): Promise<void> {
  await client.call('PUT', '/users/me/password', { oldPassword, newPassword });
  const login = await tryLogin(client, user, newPassword);
  if (login === undefined)
    throw new TpeError('PROVISION_LOGIN_REFUSED', { device: nameOf(client.gateway), user });
}
