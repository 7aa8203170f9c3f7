import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { ProvisioningStatus } from '../../../protocol/api-types';
import type { ApiDependencies } from '../dependencies';
import { data } from '../schemas/envelope';

export function provisioningRoutes(app: FastifyInstance, { provisioning }: ApiDependencies): void {
  app.get(
    '/provisioning',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_R' } },
      schema: {
        summary: 'State of the connection, last error and next retry',
        tags: ['provisioning'],
        response: { 200: data(ProvisioningStatus) },
      },
    },
    () => ({ data: provisioning.status() }),
  );

  app.put(
    '/provisioning/retry',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_RW' } },
      schema: {
        summary: 'Do not wait for the next retry',
        tags: ['provisioning'],
        response: { 202: Type.Object({ data: Type.Literal('ok') }) },
      },
    },
    async (_request, reply) => {
      provisioning.retry();
      return reply.code(202).send({ data: 'ok' });
    },
  );
}
