import { type Static, Type } from '@sinclair/typebox';

/** Name of the control socket in the runtime folder. */
export const CONTROL_SOCKET = 'control.sock';

/** A request is one line of JSON; none needs more. */
export const LARGEST_REQUEST_BYTES = 64 * 1024;

/** An answer is one line of JSON. */
export const LARGEST_ANSWER_BYTES = 4 * 1024 * 1024;

export const CONTROL_VERBS = ['status', 'ek', 'check', 'factoryInit', 'factoryReset'] as const;
export type ControlVerb = (typeof CONTROL_VERBS)[number];

export const ControlRequest = Type.Object(
  {
    verb: Type.Unsafe<ControlVerb>(Type.Union(CONTROL_VERBS.map((verb) => Type.Literal(verb)))),
    args: Type.Optional(Type.Record(Type.String({ maxLength: 64 }), Type.Unknown())),
  },
  { additionalProperties: false },
);
export type ControlRequest = Static<typeof ControlRequest>;

export const ControlAnswer = Type.Union([
  Type.Object({ ok: Type.Literal(true), data: Type.Unknown() }),
  Type.Object({
    ok: Type.Literal(false),
    error: Type.Object({
      code: Type.String(),
      message: Type.String(),
      advice: Type.String(),
      retryable: Type.Boolean(),
      details: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
    }),
  }),
]);
export type ControlAnswer = Static<typeof ControlAnswer>;
