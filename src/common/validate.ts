import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { TpeError } from './errors/tpe-error';

/**
 * Checks a value from outside against a schema; nothing is coerced.
 * Interpreted, not compiled: the values checked here are few and small, and compiling would cost start-up time.
 * @throws VALUE_INVALID with the JSON pointer of the first place that does not fit.
 */
export function validate<T extends TSchema>(schema: T, value: unknown, what: string): Static<T> {
  if (Value.Check(schema, value)) return value;
  const first = Value.Errors(schema, value).First();
  throw new TpeError('VALUE_INVALID', {
    what,
    place: first?.path === undefined || first.path === '' ? '/' : first.path,
    reason: first?.message ?? 'does not fit the schema',
  });
}
