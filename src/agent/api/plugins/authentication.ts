import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import fastifyJwt from '@fastify/jwt';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { TpeError, toTpeError } from '../../../common/errors/tpe-error';
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
    },
  });
  app.decorateRequest('caller', undefined);
  const tokens = new SeenTokens();

  /** Resolves, or returns, when the request may go on. */
  const check = (request: FastifyRequest): Promise<void> | undefined => {
    const { access, url } = request.routeOptions.config;
    // Nobody guesses passwords through the hub. The route decides, because a path has many spellings.
    if (request.ip === CLOUD_SOURCE && url === `${API_BASE}/auth`)
      throw new TpeError('API_PERMISSION_DENIED');
    if (access === 'public' || request.is404) return undefined;
    // A route that forgot to say what it needs is nobody's.
    if (access === undefined) throw new TpeError('API_PERMISSION_DENIED');
    const { locked } = accounts;
    if (locked !== undefined) throw locked;
    const fromCloud = cloud.callerOf(request);
    const id = tokens.sessionOf(request);
    if (fromCloud !== undefined || id !== undefined) {
      admit(request, access, fromCloud ?? callerOfSession(accounts, id));
      return undefined;
    }
    return verify(request).then((jti) => {
      admit(request, access, callerOfSession(accounts, jti));
      tokens.remember(request, jti);
    });
  };

  // With a callback and not async: most requests need no turn of the event loop to be let in.
  app.addHook('onRequest', (request, _reply, done) => {
    let waiting: Promise<void> | undefined;
    try {
      waiting = check(request);
    } catch (error) {
      done(toTpeError(error));
      return;
    }
    if (waiting === undefined) done();
    else waiting.then(() => done(), done);
  });
}

/**
 * The token that was verified last on each connection. The same bytes need no second HMAC; whether their session still
 * lives is asked every time.
 */
class SeenTokens {
  readonly #bySocket = new WeakMap<Socket, { readonly authorization: string; readonly session: string }>();

  sessionOf({ socket, headers: { authorization } }: FastifyRequest): string | undefined {
    const seen = this.#bySocket.get(socket);
    return seen !== undefined && seen.authorization === authorization ? seen.session : undefined;
  }

  remember({ socket, headers: { authorization } }: FastifyRequest, session: string): void {
    if (authorization !== undefined) this.#bySocket.set(socket, { authorization, session });
  }
}

async function verify(request: FastifyRequest): Promise<string> {
  try {
    return (await request.jwtVerify<{ jti: string }>()).jti;
  } catch (error) {
    throw new TpeError('API_TOKEN_INVALID', {}, { cause: error });
  }
}

function callerOfSession(accounts: Accounts, id: string | undefined): Caller {
  const session = id === undefined ? undefined : accounts.sessions.touch(id);
  const user = session === undefined ? undefined : accounts.user(session.userId);
  if (session === undefined || user?.isActive !== true) throw new TpeError('API_TOKEN_INVALID');
  return { session, user, permissions: permissionsOf(user.roleIds) };
}

function admit(request: FastifyRequest, access: Access, caller: Caller): void {
  request.caller = caller;
  if (caller.user.mustChange && access.initial !== true) throw new TpeError('API_PASSWORD_MUST_CHANGE');
  if (access.permission !== 'none' && !grants(caller.permissions, access.permission)) {
    throw new TpeError('API_PERMISSION_DENIED');
  }
}
