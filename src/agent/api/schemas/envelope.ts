import { type TSchema, Type } from '@sinclair/typebox';

/** ThingsPro Edge's success envelope. */
export const data = <T extends TSchema>(schema: T) => Type.Object({ data: schema });

/** ThingsPro Edge's envelope of a list. */
export const list = <T extends TSchema>(schema: T) =>
  Type.Object({ count: Type.Integer({ minimum: 0 }), data: Type.Array(schema) });

export function listOf<T>(items: readonly T[]): { count: number; data: readonly T[] } {
  return { count: items.length, data: items };
}

export const Switch = Type.Object({ enable: Type.Boolean() });

/** Answer of what has nothing to tell but that it was done. */
export const Ok = data(Type.Literal('ok'));

export function ok(): { data: 'ok' } {
  return { data: 'ok' };
}

/** Numeric id in a path. */
export const IdParams = Type.Object({ id: Type.String({ pattern: '^[1-9][0-9]{0,8}$' }) });
