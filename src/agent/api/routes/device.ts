import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { GeneralReader } from '../../device/general';
import type { ApiDependencies } from '../dependencies';
import { data } from '../schemas/envelope';

const Size = Type.Number({ minimum: 0 });

const General = Type.Object({
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

export function deviceRoutes(app: FastifyInstance, { identity, clock }: ApiDependencies): void {
  const general = new GeneralReader(identity, () => clock.monotonic());

  app.get(
    '/device/general',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_R' } },
      schema: { summary: 'Who this gateway is', tags: ['device'], response: { 200: data(General) } },
    },
    async () => ({ data: { description: '', ...(await general.read()) } }),
  );
}
