import { OptionalKind, type TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { FastifyInstance } from 'fastify';
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

/**
 * Validates with TypeBox as it is written and serialises with JSON.stringify. Fastify's own compilers would load Ajv
 * and generate code for every route at every start; requests here are small, so interpreting them costs less than
 * that. Nothing is coerced.
 */
export function useTypeBox(app: FastifyInstance): void {
  app.setValidatorCompiler<TSchema>(({ schema }) => (value: unknown) => {
    // Fastify's value for "no body" depends on the headers.
    const absent = value === undefined || value === null;
    const fits = (absent && OptionalKind in schema) || Value.Check(schema, value);
    if (fits) return { value };
    return { error: new TpeError('API_INPUT_INVALID', { reason: describe(schema, value) }) };
  });
  app.setSerializerCompiler(() => (value: unknown) => JSON.stringify(value));
}
