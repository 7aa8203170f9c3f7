import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { isTpeError } from '../../../common/errors/tpe-error';
import { AzureProvisioning } from '../../../protocol/api-types';
import type { ApiDependencies } from '../dependencies';
import { READ, WRITE, addRoute } from '../route';
import { Ok, data, ok } from '../schemas/envelope';

const tag = 'azure';
const answer = data(Type.Object({ provisioning: AzureProvisioning }));
const Text = Type.Optional(Type.String({ maxLength: 1024 }));

/** Text fields are checked by the configuration itself, which has ThingsPro Edge's messages for them. */
const Change = Type.Object({
  provisioning: Type.Optional(
    Type.Object({
      enable: Type.Optional(Type.Boolean()),
      source: Text,
      method: Text,
      globalEndpoint: Text,
      scopeId: Text,
      registrationId: Text,
    }),
  ),
});

/** What of a sent-back configuration can be changed; the rest of it (`endorsementKey`) is read-only. */
const CHANGEABLE = ['enable', 'source', 'method', 'globalEndpoint', 'scopeId', 'registrationId'];

export function azureRoutes(app: FastifyInstance, { azure, tpm, provisioning }: ApiDependencies): void {
  const endorsementKey = async (): Promise<string> => {
    try {
      return (await tpm?.endorsementKey())?.public.toString('base64') ?? '';
    } catch (error) {
      // Everything but the key must stay readable and writable; GET /tpm says what is wrong.
      if (isTpeError(error) && error.code.startsWith('TPM_')) return '';
      throw error;
    }
  };
  const configuration = async (): Promise<{ data: { provisioning: AzureProvisioning } }> => ({
    data: { provisioning: { ...azure.current(), endorsementKey: await endorsementKey() } },
  });

  addRoute(app, {
    method: 'GET',
    url: '/azure-iotedge',
    access: READ,
    summary: 'Azure provisioning, with the endorsement key',
    tag,
    answer,
    handler: configuration,
  });

  addRoute(app, {
    method: 'PATCH',
    url: '/azure-iotedge',
    access: WRITE,
    summary: 'Change the Azure provisioning; answers the whole configuration',
    tag,
    body: Change,
    answer,
    handler: async (request) => {
      const sent = Object.entries(request.body.provisioning ?? {});
      await azure.patch(Object.fromEntries(sent.filter(([key]) => CHANGEABLE.includes(key))));
      return configuration();
    },
  });

  addRoute(app, {
    method: 'PUT',
    url: '/azure-iotedge/reset',
    access: WRITE,
    summary: 'Azure provisioning back to the factory default',
    tag,
    status: 202,
    answer: Ok,
    handler: async () => {
      await azure.reset();
      return ok();
    },
  });

  addRoute(app, {
    method: 'PUT',
    url: '/azure-iotedge/restart',
    access: WRITE,
    summary: 'Connect again now',
    tag,
    status: 202,
    answer: Ok,
    handler: () => {
      provisioning.retry();
      return ok();
    },
  });
}
