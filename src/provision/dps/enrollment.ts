import { type Static, Type } from '@sinclair/typebox';

/** What every enrollment of a job gets, beside registration ID and EK. */
export const EnrollmentOptions = Type.Object(
  {
    iotHubHostName: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    iotHubs: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 100 })),
    allocationPolicy: Type.Optional(
      Type.Union([Type.Literal('hashed'), Type.Literal('geoLatency'), Type.Literal('static')]),
    ),
    reprovisionPolicy: Type.Optional(
      Type.Object(
        { updateHubAssignment: Type.Boolean(), migrateDeviceData: Type.Boolean() },
        { additionalProperties: false },
      ),
    ),
    /** Tags of the twin, `{placeholders}` filled for each device. */
    tags: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    /** Desired properties of the twin, `{placeholders}` filled for each device. */
    desired: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    iotEdge: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type EnrollmentOptions = Static<typeof EnrollmentOptions>;

/** Individual enrollment as DPS answers it, the parts that are read here. */
export const Enrollment = Type.Object({
  registrationId: Type.String(),
  etag: Type.Optional(Type.String()),
  attestation: Type.Object({
    type: Type.String(),
    tpm: Type.Optional(Type.Object({ endorsementKey: Type.Optional(Type.String()) })),
  }),
  provisioningStatus: Type.Optional(Type.String()),
  iotHubHostName: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  registrationState: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Object({
        status: Type.Optional(Type.String()),
        assignedHub: Type.Optional(Type.Union([Type.String(), Type.Null()])),
        deviceId: Type.Optional(Type.Union([Type.String(), Type.Null()])),
        errorMessage: Type.Optional(Type.Union([Type.String(), Type.Null()])),
      }),
    ]),
  ),
});
export type Enrollment = Static<typeof Enrollment>;

/** Answer of the bulk operation. */
export const BulkAnswer = Type.Object({
  isSuccessful: Type.Boolean(),
  errors: Type.Optional(
    Type.Array(Type.Object({ registrationId: Type.String(), errorStatus: Type.Optional(Type.String()) })),
  ),
});

/** One enrollment to make. */
export interface EnrollmentRequest {
  readonly registrationId: string;
  /** Base64 of the whole TPM2B_PUBLIC. */
  readonly endorsementKey: string;
  readonly options: EnrollmentOptions;
}

/** Body of `PUT /enrollments/{id}`; only what was asked for is named, so that DPS's own defaults hold otherwise. */
export function enrollmentBody(request: EnrollmentRequest, etag?: string): Record<string, unknown> {
  const { iotEdge, tags, desired, ...rest } = request.options;
  return {
    registrationId: request.registrationId,
    attestation: { type: 'tpm', tpm: { endorsementKey: request.endorsementKey } },
    capabilities: { iotEdge: iotEdge ?? false },
    provisioningStatus: 'enabled',
    ...rest,
    ...(tags === undefined && desired === undefined
      ? {}
      : { initialTwin: { tags: tags ?? {}, properties: { desired: desired ?? {} } } }),
    ...(etag === undefined ? {} : { etag }),
  };
}
