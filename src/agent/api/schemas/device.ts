import { Type } from '@sinclair/typebox';
import { EthernetSettings, NtpSettings } from '../../services/helper-protocol';

const Size = Type.Number({ minimum: 0 });

export const General = Type.Object({
  type: Type.Literal('general'),
  description: Type.String(),
  hostName: Type.String(),
  modelName: Type.String(),
  serialNumber: Type.String(),
  thingsproVersion: Type.String(),
  firmwareVersion: Type.String(),
  biosVersion: Type.String(),
  lastRebootTime: Type.String(),
  memorySize: Size,
  cpu: Type.String(),
  disk: Type.Array(
    Type.Object({
      name: Type.String(),
      mount: Type.String(),
      device: Type.String(),
      total: Size,
      free: Size,
      used: Size,
      percent: Type.Number({ minimum: 0, maximum: 100 }),
      tags: Type.Array(Type.String()),
    }),
  ),
});

export const Ethernet = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  displayName: Type.String(),
  name: Type.String(),
  wan: Type.Boolean(),
  status: Type.Union([Type.Literal('connected'), Type.Literal('disconnected')]),
  /** Mbit/s. */
  linkSpeed: Type.Integer({ minimum: 0 }),
  mac: Type.String(),
  ...EthernetSettings.properties,
  unconfirmed: Type.Optional(
    Type.Boolean({ description: 'the change waits for a login on the new address' }),
  ),
});

export const Time = Type.Object({
  time: Type.String(),
  timezone: Type.String(),
  ntp: Type.Optional(NtpSettings),
  synchronized: Type.Optional(Type.Boolean()),
});
