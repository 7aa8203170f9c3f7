import { randomBytes } from 'node:crypto';
import fastifyJwt from '@fastify/jwt';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';
import { API_BASE } from '../../../protocol/api-types';
import type { Accounts } from '../../accounts/accounts';
import { type Permission, grants, permissionsOf } from '../../accounts/permissions';
import type { Caller } from './caller';
import { CLOUD_SOURCE, type CloudPass } from './cloud-pass';

/** What a route asks of its caller. `initial` routes work before the first password change, too. */
export interface Access {
  readonly permission: Permission | 'none';
  readonly initial?: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `public` routes need no token. Every route must say. */
    access?: Access | 'public';
  }
  interface FastifyRequest {
    caller: Caller | undefined;
  }
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: { sub: string; jti: string };
    user: { sub: string; jti: string };
  }
}

const ISSUER = 'tpe-agent';
const AUDIENCE = 'tpe-agent-api';

/** The caller of a route that is not public. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new TpeError('API_TOKEN_INVALID');
  return request.caller;
}

/** Token rules after RFC 8725: one algorithm, issuer, audience and type checked, a random key for every start. */
export function useAuthentication(app: FastifyInstance, accounts: Accounts, cloud: CloudPass): void {
  app.register(fastifyJwt, {
    secret: randomBytes(32),
    sign: { algorithm: 'HS256', iss: ISSUER, aud: AUDIENCE },
    verify: {
      algorithms: ['HS256'],
      allowedIss: ISSUER,
      allowedAud: AUDIENCE,
      requiredClaims: ['iss', 'aud', 'sub', 'jti'],
      // The session decides how long a token lives, on a clock that NTP does not move.
      ignoreExpiration: true,
      cache: true,
    },
  });
  app.decorateRequest('caller', undefined);

  app.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config;
    // Nobody guesses passwords through the hub. The route decides, because a path has many spellings.
    if (request.ip === CLOUD_SOURCE && request.routeOptions.url === `${API_BASE}/auth`) {
      throw new TpeError('API_PERMISSION_DENIED');
    }
    if (access === 'public' || request.is404) return;
    // A route that forgot to say what it needs is nobody's.
    if (access === undefined) throw new TpeError('API_PERMISSION_DENIED');
    request.caller = await authenticate(request, accounts, cloud);
    const { user, permissions } = request.caller;
    if (user.mustChange && access.initial !== true) throw new TpeError('API_PASSWORD_MUST_CHANGE');
    if (access.permission !== 'none' && !grants(permissions, access.permission)) {
      throw new TpeError('API_PERMISSION_DENIED');
    }
  });
}

async function authenticate(request: FastifyRequest, accounts: Accounts, cloud: CloudPass): Promise<Caller> {
  const { locked } = accounts;
  if (locked !== undefined) throw locked;
  const fromCloud = cloud.callerOf(request);
  if (fromCloud !== undefined) return fromCloud;
  let jti: string;
  try {
    ({ jti } = await request.jwtVerify<{ jti: string }>());
  } catch (error) {
    throw new TpeError('API_TOKEN_INVALID', {}, { cause: error });
  }
  const session = accounts.sessions.touch(jti);
  const user = session === undefined ? undefined : accounts.user(session.userId);
  if (session === undefined || user?.isActive !== true) throw new TpeError('API_TOKEN_INVALID');
  return { session, user, permissions: permissionsOf(user.roleIds) };
}
