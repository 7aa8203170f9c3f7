import { type Static, Type } from '@sinclair/typebox';

/** Where the REST API lives; ThingsPro Edge's base path. */
export const API_BASE = '/api/v1';
export const API_PORT = 8443;
export const DEFAULT_USER = 'admin';
/** ThingsPro Edge's factory password, in use only until the first login and only where the factory set no other. */
export const DEFAULT_PASSWORD = 'admin@123';

export const ErrorEnvelope = Type.Object({
  error: Type.Object({
    /** HTTP status. */
    code: Type.Integer({ minimum: 400, maximum: 599 }),
    message: Type.String(),
    /** Code of the error registry (ours; absent in ThingsPro Edge). */
    id: Type.Optional(Type.String()),
    /** What to do about it (ours). */
    advice: Type.Optional(Type.String()),
  }),
});
export type ErrorEnvelope = Static<typeof ErrorEnvelope>;

/** States of the connection's life (design: the lifecycle). */
export const LIFECYCLE_STATES = [
  'unconfigured',
  'waitingForTime',
  'registering',
  'connecting',
  'connected',
  'backingOff',
  'failed',
] as const;
export const LifecycleState = Type.Union(LIFECYCLE_STATES.map((state) => Type.Literal(state)));
export type LifecycleState = (typeof LIFECYCLE_STATES)[number];

/** Body of `GET /provisioning` (ours). Times are ISO 8601 in UTC. */
export const ProvisioningStatus = Type.Object({
  state: Type.Unsafe<LifecycleState>(LifecycleState),
  since: Type.String(),
  registrationId: Type.Optional(Type.String()),
  idScope: Type.Optional(Type.String()),
  assignedHub: Type.Optional(Type.String()),
  deviceId: Type.Optional(Type.String()),
  /** What a custom allocation policy sent back. */
  payload: Type.Optional(Type.Unknown()),
  lastError: Type.Optional(
    Type.Object({ code: Type.String(), message: Type.String(), advice: Type.String(), at: Type.String() }),
  ),
  nextRetry: Type.Optional(Type.String()),
  /** Since the start of the agent. */
  counters: Type.Object({
    registrations: Type.Integer({ minimum: 0 }),
    connects: Type.Integer({ minimum: 0 }),
    tokens: Type.Integer({ minimum: 0 }),
    /** Errors of the connection, by code. */
    errors: Type.Optional(Type.Record(Type.String(), Type.Integer({ minimum: 1 }))),
  }),
});
export type ProvisioningStatus = Static<typeof ProvisioningStatus>;

/** `data.provisioning` of `/azure-iotedge`. */
export const AzureProvisioning = Type.Object({
  enable: Type.Boolean(),
  source: Type.Union([Type.Literal('manual'), Type.Literal('dps')]),
  method: Type.Union([Type.Literal('tpm'), Type.Literal('symmetricKey'), Type.Literal('x509')]),
  globalEndpoint: Type.String(),
  scopeId: Type.String(),
  registrationId: Type.String(),
  /** Base64 of the whole TPM2B_PUBLIC; empty without a TPM. Read-only. */
  endorsementKey: Type.String(),
});
export type AzureProvisioning = Static<typeof AzureProvisioning>;
