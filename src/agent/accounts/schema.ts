import { type Static, Type } from '@sinclair/typebox';
import { LockOutSettings } from './lock-out';
import { HASH_PATTERN } from './password-hasher';
import { PasswordPolicy } from './password-policy';
import { SessionSettings } from './sessions';

/** ThingsPro Edge's rule for account names. */
export const UserName = Type.String({ pattern: '^[a-zA-Z0-9]+[a-zA-Z0-9+=,.@_-]{0,63}$', maxLength: 64 });

export const StoredUser = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  name: UserName,
  email: Type.Union([Type.String({ maxLength: 254 }), Type.Null()]),
  isActive: Type.Boolean(),
  roleIds: Type.Array(Type.Integer({ minimum: 1, maximum: 3 }), { minItems: 1, maxItems: 3 }),
  passwordHash: Type.String({ pattern: HASH_PATTERN }),
  /** ISO 8601; null until the user chose a password. */
  passwordChangedAt: Type.Union([Type.String(), Type.Null()]),
  /** Somebody else chose the password: it must change before anything else. */
  mustChange: Type.Boolean(),
});
export type StoredUser = Static<typeof StoredUser>;

/** accounts.json in the state folder. */
export const AccountsState = Type.Object({
  nextUserId: Type.Integer({ minimum: 2 }),
  users: Type.Array(StoredUser, { minItems: 1, maxItems: 256 }),
  passwordPolicy: PasswordPolicy,
  lockOut: LockOutSettings,
  sessions: SessionSettings,
});
export type AccountsState = Static<typeof AccountsState>;

/** True until somebody took the gateway over: no user was ever made, and the first one has the factory's password. */
export function isFactoryNew({ nextUserId, users }: AccountsState): boolean {
  return nextUserId === 2 && users.every(({ mustChange }) => mustChange);
}
