import { Type } from '@sinclair/typebox';
import { AzureProvisioning } from '../../protocol/api-types';

/** `data` of `POST /auth`; ThingsPro Edge sends more, which is ignored. */
export const LoginData = Type.Object({
  token: Type.String({ minLength: 1, maxLength: 8192 }),
  user: Type.Optional(Type.Object({ flag: Type.Optional(Type.String({ maxLength: 64 })) })),
  /** Some firmware puts the flag beside the user. */
  flag: Type.Optional(Type.String({ maxLength: 64 })),
});

export const GeneralData = Type.Object({
  serialNumber: Type.String({ maxLength: 128 }),
  modelName: Type.Optional(Type.String({ maxLength: 128 })),
  firmwareVersion: Type.Optional(Type.String({ maxLength: 128 })),
});

export const AzureData = Type.Object({
  provisioning: Type.Composite([
    Type.Partial(Type.Omit(AzureProvisioning, ['endorsementKey'])),
    Type.Object({ endorsementKey: Type.Optional(Type.String({ maxLength: 4096 })) }),
  ]),
});

export const DataEnvelope = Type.Object({ data: Type.Unknown() });
