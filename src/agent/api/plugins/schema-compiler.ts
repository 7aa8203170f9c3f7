import { OptionalKind, type TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { FastifyServerOptions } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';

declare module 'fastify' {
  interface FastifySchema {
    /** For the API description. */
    summary?: string;
    tags?: readonly string[];
  }
}

/** Where in the request, in words of JSON. */
function describe(schema: TSchema, value: unknown): string {
  const first = Value.Errors(schema, value).First();
  const place = (first?.path ?? '').replace(/^\//, '').replaceAll('/', '.');
  const reason = (first?.message ?? 'does not fit').toLowerCase();
  return place === '' ? reason : `${place}: ${reason}`;
}

const validatorOf =
  ({ schema }: { schema: TSchema }) =>
  (value: unknown) => {
    // Fastify's value for "no body" depends on the headers.
    const absent = value === undefined || value === null;
    const fits = (absent && OptionalKind in schema) || Value.Check(schema, value);
    if (fits) return { value };
    return { error: new TpeError('API_INPUT_INVALID', { reason: describe(schema, value) }) };
  };

type Factories = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>;

/**
 * Validates with TypeBox as it is written and serialises with JSON.stringify. Fastify's own compilers would load Ajv
 * and generate code for every route at every start; requests here are small, so interpreting them costs less than
 * that. Given as factories, because fastify loads its own before it looks for others. Nothing is coerced.
 */
export const typeBoxCompilers = {
  buildValidator: () => validatorOf,
  buildSerializer: () => () => (value: unknown) => JSON.stringify(value),
  // Declared after Ajv's own factory; what fastify calls is a schema compiler with the route's schema.
} as unknown as Factories;
