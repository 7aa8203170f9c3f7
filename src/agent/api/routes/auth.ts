import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';
import { rolesOf, permissionsOf } from '../../accounts/permissions';
import type { StoredUser } from '../../accounts/schema';
import type { ApiDependencies } from '../dependencies';
import { callerOf } from '../plugins/authentication';
import { data } from '../schemas/envelope';

const Login = Type.Object({
  acceptEULA: Type.Optional(Type.Boolean()),
  name: Type.String({ minLength: 1, maxLength: 256 }),
  password: Type.String({ minLength: 1, maxLength: 256 }),
});

const PasswordChange = Type.Object({
  newPassword: Type.String({ minLength: 1, maxLength: 256 }),
  oldPassword: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
});

export const UserView = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  email: Type.Union([Type.String(), Type.Null()]),
  isActive: Type.Boolean(),
  loginAt: Type.Optional(Type.String()),
  passwordChangedAt: Type.Union([Type.String(), Type.Null()]),
  permissions: Type.Array(Type.String()),
  roles: Type.Array(Type.Object({ id: Type.Integer(), name: Type.String() })),
  flag: Type.Optional(Type.Union([Type.Literal('passwordMustChange'), Type.Literal('passwordChangeRemind')])),
});

/** A user as ThingsPro Edge shows one: without any trace of the password. */
export function viewOf(user: StoredUser): Record<string, unknown> {
  return {
    id: user.id,
    name: user.name,
    email: user.email,
    isActive: user.isActive,
    passwordChangedAt: user.passwordChangedAt,
    permissions: permissionsOf(user.roleIds),
    roles: rolesOf(user.roleIds).map(({ id, name }) => ({ id, name })),
  };
}

const DAY_MS = 86_400_000;

function flagOf(user: StoredUser, { accounts, clock }: ApiDependencies): string | undefined {
  if (user.mustChange) return 'passwordMustChange';
  const { enableReminder, reminderFrequencyDay } = accounts.state.passwordPolicy;
  if (!enableReminder || user.passwordChangedAt === null) return undefined;
  const age = clock.now() - Date.parse(user.passwordChangedAt);
  return age > reminderFrequencyDay * DAY_MS ? 'passwordChangeRemind' : undefined;
}

export function authRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { accounts } = dependencies;

  app.post<{ Body: { acceptEULA?: boolean; name: string; password: string } }>(
    '/auth',
    {
      config: { access: 'public' },
      schema: {
        summary: 'Log in',
        tags: ['auth'],
        body: Login,
        response: { 200: data(Type.Object({ token: Type.String(), user: UserView })) },
      },
    },
    async (request) => {
      const { acceptEULA, name, password } = request.body;
      if (acceptEULA === false) throw new TpeError('API_EULA_NOT_ACCEPTED');
      const { session, user } = await accounts.login(name, password, request.ip);
      const token = app.jwt.sign({ sub: user.name, jti: session.id });
      const flag = flagOf(user, dependencies);
      return {
        data: {
          token,
          user: { ...viewOf(user), loginAt: session.loginAt, ...(flag === undefined ? {} : { flag }) },
        },
      };
    },
  );

  app.get(
    '/auth',
    {
      config: { access: { permission: 'none', initial: true } },
      schema: { summary: 'Check a token', tags: ['auth'], response: { 200: data(Type.Literal('ok')) } },
    },
    () => ({ data: 'ok' }),
  );

  app.put<{ Body: { newPassword: string; oldPassword?: string } }>(
    '/users/me/password',
    {
      config: { access: { permission: 'none', initial: true } },
      schema: {
        summary: 'Change the own password; ends all sessions of the user',
        tags: ['users'],
        body: PasswordChange,
        response: { 200: data(Type.Literal('ok')) },
      },
    },
    async (request) => {
      await accounts.changeOwnPassword(callerOf(request).user.id, request.body, request.ip);
      return { data: 'ok' };
    },
  );
}
