import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';
import type { StoredUser } from '../../accounts/schema';
import type { ApiDependencies } from '../dependencies';
import { callerOf } from '../plugins/authentication';
import { LOGGED_IN, addRoute } from '../route';
import { Ok, data, ok } from '../schemas/envelope';
import { Password, UserView, viewOf } from '../schemas/user';

const DAY_MS = 86_400_000;

function flagOf(user: StoredUser, { accounts, clock }: ApiDependencies): string | undefined {
  if (user.mustChange) return 'passwordMustChange';
  const { enableReminder, reminderFrequencyDay } = accounts.state.passwordPolicy;
  if (!enableReminder || user.passwordChangedAt === null) return undefined;
  const age = clock.now() - Date.parse(user.passwordChangedAt);
  return age > reminderFrequencyDay * DAY_MS ? 'passwordChangeRemind' : undefined;
}

export function authRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { accounts, ethernets } = dependencies;

  addRoute(app, {
    method: 'POST',
    url: '/auth',
    access: 'public',
    summary: 'Log in',
    tag: 'auth',
    event: 'login',
    bodyLimit: 4096,
    body: Type.Object({
      acceptEULA: Type.Optional(Type.Boolean()),
      name: Type.String({ minLength: 1, maxLength: 256 }),
      password: Password,
    }),
    answer: data(Type.Object({ token: Type.String(), user: UserView })),
    handler: async (request) => {
      const { acceptEULA, name, password } = request.body;
      request.claimedName = name;
      if (acceptEULA === false) throw new TpeError('API_EULA_NOT_ACCEPTED');
      const { session, user } = await accounts.login(name, password, request.ip);
      // Whoever logs in on a new address of ours has proved that it works.
      await ethernets.confirm(request.socket);
      const token = app.jwt.sign({ sub: user.name, jti: session.id });
      const flag = flagOf(user, dependencies);
      return {
        data: {
          token,
          user: { ...viewOf(user), loginAt: session.loginAt, ...(flag === undefined ? {} : { flag }) },
        },
      };
    },
  });

  addRoute(app, {
    method: 'GET',
    url: '/auth',
    access: LOGGED_IN,
    summary: 'Check a token',
    tag: 'auth',
    answer: Ok,
    handler: ok,
  });

  addRoute(app, {
    method: 'DELETE',
    url: '/auth',
    access: LOGGED_IN,
    summary: 'Log out',
    tag: 'auth',
    event: 'logout',
    handler: (request) => void accounts.sessions.end(callerOf(request).session.id),
  });

  addRoute(app, {
    method: 'PUT',
    url: '/users/me/password',
    access: LOGGED_IN,
    summary: 'Change the own password; ends all sessions of the user',
    tag: 'users',
    event: 'change password',
    bodyLimit: 4096,
    body: Type.Object({ newPassword: Password, oldPassword: Type.Optional(Password) }),
    answer: Ok,
    handler: async (request) => {
      await accounts.changeOwnPassword(callerOf(request).user.id, request.body, request.ip);
      return ok();
    },
  });
}
