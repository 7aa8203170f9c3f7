import { type Static, Type } from '@sinclair/typebox';

export const JsonObject = Type.Record(Type.String(), Type.Unknown());
export type JsonObject = Static<typeof JsonObject>;

export const Twin = Type.Object({
  tags: JsonObject,
  desired: JsonObject,
  desiredVersion: Type.Integer({ minimum: 1 }),
  reported: JsonObject,
  reportedVersion: Type.Integer({ minimum: 1 }),
  /** Counts every change of the twin; its etag. */
  version: Type.Integer({ minimum: 1 }),
});
export type Twin = Static<typeof Twin>;

export const CloudMessage = Type.Object({
  messageId: Type.String(),
  sequence: Type.Integer({ minimum: 1 }),
  enqueuedTimeUtc: Type.String(),
  expiryTimeUtc: Type.Optional(Type.String()),
  /** Property bag in the order it came in, system properties as `$.xx`. */
  properties: Type.Array(Type.Tuple([Type.String(), Type.String()])),
  /** Base64. */
  body: Type.String(),
});
export type CloudMessage = Static<typeof CloudMessage>;

/** One device identity with everything the hub keeps about it. */
export const DeviceRecord = Type.Object({
  deviceId: Type.String({ minLength: 1, maxLength: 128 }),
  generationId: Type.String(),
  /** Counts changes of the identity; its etag. */
  identityVersion: Type.Integer({ minimum: 1 }),
  status: Type.Union([Type.Literal('enabled'), Type.Literal('disabled')]),
  /** Base64. */
  primaryKey: Type.String(),
  secondaryKey: Type.String(),
  iotEdge: Type.Boolean(),
  twin: Twin,
  /** At most 50, as in IoT Hub. */
  messages: Type.Array(CloudMessage),
  nextSequence: Type.Integer({ minimum: 1 }),
  /** Topic filters of a session that was not clean. */
  subscriptions: Type.Array(Type.Tuple([Type.String(), Type.Integer({ minimum: 0, maximum: 1 })])),
});
export type DeviceRecord = Static<typeof DeviceRecord>;

/** Stands for "never" in IoT Hub's answers. */
export const NEVER = '0001-01-01T00:00:00Z';
