import { type Static, Type } from '@sinclair/typebox';
import { TpeError } from '../../common/errors/tpe-error';
import { DEFAULT_PASSWORD } from '../../protocol/api-types';

/** `/password-policy`. */
export const PasswordPolicy = Type.Object({
  atLeastOneDigit: Type.Boolean(),
  atLeastOneSpecial: Type.Boolean(),
  lengthMin: Type.Integer({ minimum: 8, maximum: 256 }),
  mixedUpperLowerLetters: Type.Boolean(),
  enableReminder: Type.Boolean(),
  reminderFrequencyDay: Type.Integer({ minimum: 1, maximum: 3650 }),
  blacklist: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 1024 }),
});
export type PasswordPolicy = Static<typeof PasswordPolicy>;

export const DEFAULT_POLICY: PasswordPolicy = {
  atLeastOneDigit: true,
  atLeastOneSpecial: true,
  lengthMin: 8,
  mixedUpperLowerLetters: true,
  enableReminder: false,
  reminderFrequencyDay: 180,
  blacklist: [DEFAULT_PASSWORD, 'moxamoxa'],
};

/**
 * Checks a new password.
 * @throws API_PASSWORD_IS_DEFAULT for the factory's password, API_PASSWORD_TOO_WEAK with the rule that it breaks.
 */
export function checkNewPassword(policy: PasswordPolicy, chosen: string, name: string): void {
  // As it will be hashed: a full-width @ must not make another word of a forbidden one.
  const password = chosen.normalize('NFKC');
  if (password === DEFAULT_PASSWORD) throw new TpeError('API_PASSWORD_IS_DEFAULT');
  const weak = (reason: string): never => {
    throw new TpeError('API_PASSWORD_TOO_WEAK', { reason });
  };
  if (password.length < policy.lengthMin) weak(`len need at least ${policy.lengthMin}`);
  if (password.length > 256) weak('len need at most 256');
  if (/\s/.test(password)) weak('must not contain spaces');
  if (policy.atLeastOneDigit && !/\d/.test(password)) weak('need at least one digit');
  if (policy.atLeastOneSpecial && !/[^\p{L}\p{N}\s]/u.test(password))
    weak('need at least one special character');
  if (policy.mixedUpperLowerLetters && !(/\p{Lu}/u.test(password) && /\p{Ll}/u.test(password))) {
    weak('need upper and lower case letters');
  }
  const lower = password.toLowerCase();
  if (policy.blacklist.some((word) => word.toLowerCase() === lower)) weak('is in the blacklist');
  if (lower === name.toLowerCase()) weak('must not be the account name');
}
