import type { FastifyInstance } from 'fastify';
import { ProvisioningStatus } from '../../../protocol/api-types';
import type { ApiDependencies } from '../dependencies';
import { READ, WRITE, addRoute } from '../route';
import { Ok, data, ok } from '../schemas/envelope';

export function provisioningRoutes(app: FastifyInstance, { provisioning }: ApiDependencies): void {
  addRoute(app, {
    method: 'GET',
    url: '/provisioning',
    access: READ,
    summary: 'State of the connection, last error with advice, next retry',
    tag: 'provisioning',
    answer: data(ProvisioningStatus),
    handler: () => ({ data: provisioning.status() }),
  });

  addRoute(app, {
    method: 'PUT',
    url: '/provisioning/retry',
    access: WRITE,
    summary: 'Do not wait for the next retry',
    tag: 'provisioning',
    status: 202,
    answer: Ok,
    handler: () => {
      provisioning.retry();
      return ok();
    },
  });
}
