import { Type } from '@sinclair/typebox';
import { permissionsOf, rolesOf } from '../../accounts/permissions';
import type { StoredUser } from '../../accounts/schema';

export const Password = Type.String({ minLength: 1, maxLength: 256 });

export const RoleView = Type.Object({ id: Type.Integer(), name: Type.String() });

/** A user as ThingsPro Edge shows one: without any trace of the password. */
export const UserView = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  email: Type.Union([Type.String(), Type.Null()]),
  isActive: Type.Boolean(),
  loginAt: Type.Optional(Type.String()),
  passwordChangedAt: Type.Union([Type.String(), Type.Null()]),
  permissions: Type.Array(Type.String()),
  roles: Type.Array(RoleView),
  flag: Type.Optional(Type.Union([Type.Literal('passwordMustChange'), Type.Literal('passwordChangeRemind')])),
});

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
