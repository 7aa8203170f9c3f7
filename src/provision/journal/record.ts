import { type Static, Type } from '@sinclair/typebox';

/** How far a gateway has come; each stage may be reached on another day, network and computer. */
export const STAGES = ['found', 'collected', 'enrolled', 'configured', 'connected'] as const;
export type Stage = (typeof STAGES)[number];

export function stageReached(stage: Stage, wanted: Stage): boolean {
  return STAGES.indexOf(stage) >= STAGES.indexOf(wanted);
}

/** What speaks for an endorsement key, from the strongest to nothing. */
export const EVIDENCE = ['certificate', 'factoryRecord', 'possession', 'none'] as const;
export type Evidence = (typeof EVIDENCE)[number];

const Text = Type.String({ maxLength: 1024 });

const StoredGateway = Type.Object({
  deviceId: Text,
  serialNumber: Text,
  mac: Text,
  modelName: Text,
  firmwareVersion: Text,
  address: Text,
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  apiBase: Text,
  keySha256: Text,
});

const StoredFailure = Type.Object({
  code: Text,
  message: Type.String({ maxLength: 4096 }),
  advice: Type.String({ maxLength: 4096 }),
  retryable: Type.Boolean(),
});

/** Everything that is kept about one gateway. No secrets. */
export const DeviceRecord = Type.Object({
  gateway: StoredGateway,
  stage: Type.Unsafe<Stage>(Type.Union(STAGES.map((stage) => Type.Literal(stage)))),
  /** Base64 SHA-256 of the TLS key that is believed. */
  pinnedKey: Type.Optional(Text),
  trustedBy: Type.Optional(Type.Union([Type.Literal('factoryRecord'), Type.Literal('firstUse')])),
  /** Base64 of the EK's TPM2B_PUBLIC. */
  endorsementKey: Type.Optional(Type.String({ maxLength: 4096 })),
  evidence: Type.Optional(Type.Unsafe<Evidence>(Type.Union(EVIDENCE.map((kind) => Type.Literal(kind))))),
  /** `changing` is written before the change is sent: after a crash in between either password may hold. */
  password: Type.Optional(Type.Union([Type.Literal('changing'), Type.Literal('changed')])),
  /** Times of refused logins, milliseconds since 1970, so that a restarted run does not lock the account. */
  refusedLogins: Type.Optional(Type.Array(Type.Number(), { maxItems: 20 })),
  registrationId: Type.Optional(Text),
  assignedHub: Type.Optional(Type.Union([Text, Type.Null()])),
  /** Of the last attempt; `null` after a success. */
  failure: Type.Optional(Type.Union([StoredFailure, Type.Null()])),
  durationMs: Type.Optional(Type.Number()),
});
export type DeviceRecord = Static<typeof DeviceRecord>;

/** One line of a journal: these fields of this device have changed. */
export const JournalEntry = Type.Object({
  at: Type.String({ maxLength: 40 }),
  deviceId: Type.String({ minLength: 1, maxLength: 128 }),
  set: Type.Partial(DeviceRecord),
});
export type JournalEntry = Static<typeof JournalEntry>;

/** First line of a journal. */
export const JournalHeader = Type.Object({
  journal: Type.Literal('tpe-provision'),
  version: Type.Literal(1),
});
