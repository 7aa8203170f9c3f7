import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';
import { LockOutSettings } from '../../accounts/lock-out';
import { PasswordPolicy } from '../../accounts/password-policy';
import { SessionSettings } from '../../accounts/sessions';
import type { ApiDependencies } from '../dependencies';
import { callerOf } from '../plugins/authentication';
import { USERS, addRoute } from '../route';
import { data, list, listOf } from '../schemas/envelope';

const SessionView = Type.Object({
  id: Type.String(),
  user: Type.String(),
  source: Type.String(),
  loginAt: Type.String(),
  idleSec: Type.Integer({ minimum: 0 }),
  current: Type.Boolean(),
});

/** Password policy, lock-out, and limits of sessions: each a GET and a PUT of one part of the accounts. */
function settingRoutes(app: FastifyInstance, { accounts }: ApiDependencies): void {
  const parts = [
    { url: '/auth-lock', schema: LockOutSettings, part: 'lockOut', what: 'lock-out' },
    { url: '/password-policy', schema: PasswordPolicy, part: 'passwordPolicy', what: 'password policy' },
    { url: '/sessions/configuration', schema: SessionSettings, part: 'sessions', what: 'session limits' },
  ] as const;
  for (const { url, schema, part, what } of parts) {
    addRoute(app, {
      method: 'GET',
      url,
      access: USERS,
      summary: `The ${what}`,
      tag: 'accounts',
      answer: data(schema),
      handler: () => ({ data: accounts.state[part] }),
    });
    addRoute(app, {
      method: 'PUT',
      url,
      access: USERS,
      summary: `Change the ${what}`,
      tag: 'accounts',
      event: `change ${what}`,
      // What is left out stays as it is.
      body: Type.Partial(schema),
      answer: data(schema),
      handler: async (request) => {
        const known = Object.keys(schema.properties);
        const change = Object.entries(request.body).filter(([key]) => known.includes(key));
        await accounts.update((state) => {
          Object.assign(state[part], Object.fromEntries(change));
        });
        return { data: accounts.state[part] };
      },
    });
  }
}

export function accountSettingRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { accounts, clock } = dependencies;
  settingRoutes(app, dependencies);

  addRoute(app, {
    method: 'GET',
    url: '/sessions',
    access: USERS,
    summary: 'Who is logged in',
    tag: 'sessions',
    answer: list(SessionView),
    handler: (request) => {
      const own = callerOf(request).session.id;
      return listOf(
        accounts.sessions.list().map((session) => ({
          id: session.id,
          user: accounts.user(session.userId)?.name ?? '',
          source: session.source,
          loginAt: session.loginAt,
          idleSec: Math.floor((clock.monotonic() - session.lastSeenAt) / 1000),
          current: session.id === own,
        })),
      );
    },
  });

  addRoute(app, {
    method: 'DELETE',
    url: '/sessions/:id',
    access: USERS,
    summary: 'End a session',
    tag: 'sessions',
    event: 'end session',
    params: Type.Object({ id: Type.String({ pattern: '^[0-9a-f-]{36}$' }) }),
    handler: (request) => {
      if (!accounts.sessions.end(request.params.id)) throw new TpeError('API_NOT_FOUND', { what: 'session' });
    },
  });
}
