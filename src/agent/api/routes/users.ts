import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';
import { ROLES } from '../../accounts/permissions';
import { UserName } from '../../accounts/schema';
import { UserManagement } from '../../accounts/user-management';
import type { ApiDependencies } from '../dependencies';
import { callerOf } from '../plugins/authentication';
import { LOGGED_IN, USERS, addRoute } from '../route';
import { IdParams, Ok, data, list, listOf, ok } from '../schemas/envelope';
import { Password, UserView, viewOf } from '../schemas/user';

const tag = 'users';
const Email = Type.Union([Type.String({ maxLength: 254, pattern: '^[^\\s@]+@[^\\s@]+$' }), Type.Null()]);
/** ThingsPro Edge's clients send the roles as they get them; a list of ids is accepted as well. */
const RoleIds = Type.Array(Type.Union([Type.Integer(), Type.Object({ id: Type.Integer() })]), {
  minItems: 1,
  maxItems: ROLES.length,
});

function roleIdsOf(roles: readonly (number | { id: number })[]): number[] {
  const ids = [...new Set(roles.map((role) => (typeof role === 'number' ? role : role.id)))];
  if (ids.every((id) => ROLES.some((role) => role.id === id))) return ids;
  throw new TpeError('API_INPUT_INVALID', { reason: 'roles: no such role' });
}

const Role = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  permissions: Type.Array(Type.String()),
});

function readingRoutes(app: FastifyInstance, { accounts }: ApiDependencies): void {
  addRoute(app, {
    method: 'GET',
    url: '/users/me',
    access: LOGGED_IN,
    summary: 'The user that the token belongs to',
    tag,
    answer: data(UserView),
    handler: (request) => {
      const { user, session } = callerOf(request);
      return { data: { ...viewOf(user), loginAt: session.loginAt } };
    },
  });

  addRoute(app, {
    method: 'GET',
    url: '/users',
    access: USERS,
    summary: 'All users',
    tag,
    answer: list(UserView),
    handler: () => listOf(accounts.state.users.map(viewOf)),
  });

  addRoute(app, {
    method: 'GET',
    url: '/users/:id',
    access: USERS,
    summary: 'One user',
    tag,
    params: IdParams,
    answer: data(UserView),
    handler: (request) => {
      const user = accounts.user(Number(request.params.id));
      if (user === undefined) throw new TpeError('API_NOT_FOUND', { what: 'user' });
      return { data: viewOf(user) };
    },
  });

  addRoute(app, {
    method: 'GET',
    url: '/roles',
    access: USERS,
    summary: 'The roles and their permissions',
    tag,
    answer: list(Role),
    handler: () => listOf(ROLES),
  });
}

export function userRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const management = new UserManagement(dependencies.accounts, dependencies.hasher);
  readingRoutes(app, dependencies);

  addRoute(app, {
    method: 'POST',
    url: '/users',
    access: USERS,
    summary: 'Make a user, who must change the password at the first login',
    tag,
    event: 'create user',
    body: Type.Object({
      name: UserName,
      password: Password,
      email: Type.Optional(Email),
      isActive: Type.Optional(Type.Boolean()),
      roles: RoleIds,
    }),
    answer: data(UserView),
    handler: async (request) => {
      const { roles, ...user } = request.body;
      return { data: viewOf(await management.create({ ...user, roleIds: roleIdsOf(roles) })) };
    },
  });

  addRoute(app, {
    method: 'PATCH',
    url: '/users/:id',
    access: USERS,
    summary: 'Change e-mail, roles or activity of a user',
    tag,
    event: 'change user',
    params: IdParams,
    body: Type.Object({
      email: Type.Optional(Email),
      isActive: Type.Optional(Type.Boolean()),
      roles: Type.Optional(RoleIds),
    }),
    answer: data(UserView),
    handler: async (request) => {
      const { roles, email, isActive } = request.body;
      const change = {
        ...(email === undefined ? {} : { email }),
        ...(isActive === undefined ? {} : { isActive }),
        ...(roles === undefined ? {} : { roleIds: roleIdsOf(roles) }),
      };
      return { data: viewOf(await management.change(Number(request.params.id), change)) };
    },
  });

  addRoute(app, {
    method: 'PUT',
    url: '/users/:id/password',
    access: USERS,
    summary: 'Give a user a password to be changed at the next login; lifts a lock',
    tag,
    event: 'reset password',
    params: IdParams,
    body: Type.Object({ newPassword: Password }),
    answer: Ok,
    handler: async (request) => {
      await management.setPassword(Number(request.params.id), request.body.newPassword);
      return ok();
    },
  });

  addRoute(app, {
    method: 'DELETE',
    url: '/users/:id',
    access: USERS,
    summary: 'Delete a user',
    tag,
    event: 'delete user',
    params: IdParams,
    handler: async (request) => management.remove(Number(request.params.id)),
  });
}
