import { type Static, Type } from '@sinclair/typebox';

/** Registration IDs: up to 128 letters, digits and - . _ : , compared without case. */
export const RegistrationId = Type.String({ pattern: '^[A-Za-z0-9._:-]{1,128}$' });

/** Base64 of a TPM2B_PUBLIC; those of RSA-2048 keys have under 800 characters. */
const TpmKey = Type.String({ minLength: 1, maxLength: 1024 });

const Json = Type.Record(Type.String(), Type.Unknown());

/** Either with `properties.desired` as the REST API documents it, or tags alone. */
export const InitialTwin = Type.Object({
  tags: Type.Optional(Json),
  properties: Type.Optional(Type.Object({ desired: Type.Optional(Json) })),
});
export type InitialTwin = Static<typeof InitialTwin>;

export const AllocationPolicy = Type.Union([
  Type.Literal('hashed'),
  Type.Literal('geoLatency'),
  Type.Literal('static'),
  Type.Literal('custom'),
]);
export type AllocationPolicy = Static<typeof AllocationPolicy>;

const nullable = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) =>
  Type.Optional(Type.Union([schema, Type.Null()]));

/** An individual enrollment as clients send it; fields that the service makes itself are ignored when they come in. */
export const EnrollmentBody = Type.Object({
  registrationId: RegistrationId,
  deviceId: nullable(Type.String({ pattern: "^[A-Za-z0-9\\-:.+%_#*?!(),=@;$']{1,128}$" })),
  attestation: Type.Object({
    type: Type.Literal('tpm'),
    tpm: Type.Object({ endorsementKey: TpmKey, storageRootKey: nullable(TpmKey) }),
  }),
  capabilities: nullable(Type.Object({ iotEdge: Type.Boolean() })),
  iotHubHostName: nullable(Type.String({ minLength: 1, maxLength: 255 })),
  iotHubs: nullable(Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 50 })),
  allocationPolicy: nullable(AllocationPolicy),
  customAllocationDefinition: nullable(
    Type.Object({
      webhookUrl: Type.String({ pattern: '^https?://', maxLength: 2048 }),
      apiVersion: Type.String({ maxLength: 64 }),
    }),
  ),
  initialTwin: nullable(InitialTwin),
  provisioningStatus: nullable(Type.Union([Type.Literal('enabled'), Type.Literal('disabled')])),
  reprovisionPolicy: nullable(
    Type.Object({ updateHubAssignment: Type.Boolean(), migrateDeviceData: Type.Boolean() }),
  ),
  optionalDeviceInformation: nullable(Json),
});
export type EnrollmentBody = Static<typeof EnrollmentBody>;

export const Enrollment = Type.Object({
  body: EnrollmentBody,
  etag: Type.String(),
  createdDateTimeUtc: Type.String(),
  lastUpdatedDateTimeUtc: Type.String(),
});
export type Enrollment = Static<typeof Enrollment>;

export const Registration = Type.Object({
  registrationId: RegistrationId,
  createdDateTimeUtc: Type.String(),
  lastUpdatedDateTimeUtc: Type.String(),
  etag: Type.String(),
  status: Type.Union([
    Type.Literal('assigned'),
    Type.Literal('failed'),
    Type.Literal('disabled'),
    Type.Literal('unassigned'),
  ]),
  substatus: Type.Optional(Type.String()),
  assignedHub: Type.Optional(Type.String()),
  deviceId: Type.Optional(Type.String()),
  /** Hub of the first assignment. */
  initialHub: Type.Optional(Type.String()),
  errorCode: Type.Optional(Type.Integer()),
  errorMessage: Type.Optional(Type.String()),
  payload: Type.Optional(Type.Unknown()),
});
export type Registration = Static<typeof Registration>;

/** Body of a device's registration. aziot leaves `tpm` out of the second call. */
export const RegisterBody = Type.Object({
  registrationId: Type.Optional(Type.String()),
  tpm: Type.Optional(Type.Object({ endorsementKey: TpmKey, storageRootKey: TpmKey })),
  payload: Type.Optional(Type.Unknown()),
});
export type RegisterBody = Static<typeof RegisterBody>;
