import type { FastifyRequest } from 'fastify';
import { refusal } from '../dps/refusal';
import type { ServiceClock } from '../service-clock';
import type { Policy } from '../store/instance';
import { type SasToken, audience, parseSas, signedBy } from './sas';

/** The host part of a token's audience, in lower case and without port. */
export function audienceHost(token: SasToken): string | undefined {
  return audience(token)?.split('/')[0]?.replace(/:\d+$/, '');
}

/**
 * Checks the Authorization header of a service call: a token of the named policy, signed with its key, not expired,
 * and for one of these hosts (or a path of theirs that the request lies under).
 * @throws EMU_REFUSED 401
 */
export function requireServiceToken(
  request: FastifyRequest,
  policy: Policy,
  hosts: readonly string[],
  clock: ServiceClock,
): void {
  const token = parseSas(request.headers.authorization ?? '');
  if (token === undefined) throw refusal('unauthorized', 'Unauthorized: no shared access signature.');
  const host = audienceHost(token);
  const granted = (audience(token) ?? '').split('/').slice(1).join('/');
  const path = (request.url.split('?')[0] ?? '').slice(1).toLowerCase();
  const inScope = granted === '' || path === granted || path.startsWith(`${granted}/`);
  if (
    token.keyName !== policy.name ||
    host === undefined ||
    !hosts.some((name) => name.toLowerCase() === host) ||
    !inScope ||
    token.expirySeconds <= clock.seconds() ||
    !signedBy(token, Buffer.from(policy.key, 'base64'))
  ) {
    throw refusal('unauthorized');
  }
}
