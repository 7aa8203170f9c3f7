import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { AzureProvisioning } from '../../../protocol/api-types';
import type { AzureProvisioningChange } from '../../config/azure-configuration';
import type { ApiDependencies } from '../dependencies';
import { data } from '../schemas/envelope';

const Configuration = Type.Object({ provisioning: AzureProvisioning });

/** Text fields are checked by the configuration itself, which has ThingsPro Edge's messages for them. */
const Change = Type.Object({
  provisioning: Type.Optional(
    Type.Object({
      enable: Type.Optional(Type.Boolean()),
      source: Type.Optional(Type.String({ maxLength: 64 })),
      method: Type.Optional(Type.String({ maxLength: 64 })),
      globalEndpoint: Type.Optional(Type.String({ maxLength: 1024 })),
      scopeId: Type.Optional(Type.String({ maxLength: 1024 })),
      registrationId: Type.Optional(Type.String({ maxLength: 1024 })),
    }),
  ),
});

export function azureRoutes(app: FastifyInstance, { azure, tpm, provisioning }: ApiDependencies): void {
  const configuration = async (): Promise<{ provisioning: AzureProvisioning }> => ({
    provisioning: {
      ...azure.current(),
      endorsementKey: tpm === undefined ? '' : (await tpm.endorsementKey()).public.toString('base64'),
    },
  });

  app.get(
    '/azure-iotedge',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_R' } },
      schema: { summary: 'Azure provisioning', tags: ['azure'], response: { 200: data(Configuration) } },
    },
    async () => ({ data: await configuration() }),
  );

  app.patch<{ Body: { provisioning?: AzureProvisioningChange } }>(
    '/azure-iotedge',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_RW' } },
      schema: {
        summary: 'Change the Azure provisioning; answers the whole configuration',
        tags: ['azure'],
        body: Change,
        response: { 200: data(Configuration) },
      },
    },
    async (request) => {
      const change = request.body.provisioning ?? {};
      const { enable, source, method, globalEndpoint, scopeId, registrationId } = change;
      const known = { enable, source, method, globalEndpoint, scopeId, registrationId };
      await azure.patch(Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)));
      return { data: await configuration() };
    },
  );

  const empty = Type.Object({ data: Type.Literal('ok') });
  app.put(
    '/azure-iotedge/reset',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_RW' } },
      schema: { summary: 'Back to the factory default', tags: ['azure'], response: { 202: empty } },
    },
    async (_request, reply) => {
      await azure.reset();
      return reply.code(202).send({ data: 'ok' });
    },
  );

  app.put(
    '/azure-iotedge/restart',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_RW' } },
      schema: { summary: 'Connect again now', tags: ['azure'], response: { 202: empty } },
    },
    async (_request, reply) => {
      provisioning.retry();
      return reply.code(202).send({ data: 'ok' });
    },
  );
}
