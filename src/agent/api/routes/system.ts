import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { SERVICE_GROUPS } from '../../services/reference-services';
import type { ApiDependencies } from '../dependencies';
import { Switch, data } from '../schemas/envelope';

const Service = Type.Object({ available: Type.Boolean(), enable: Type.Boolean(), id: Type.String() });
const Services = Type.Object(Object.fromEntries(SERVICE_GROUPS.map((group) => [group, Type.Array(Service)])));
const ServiceId = Type.Object({ id: Type.String({ pattern: '^[a-z0-9-]{1,64}$' }) });

export function discoveryRoutes(app: FastifyInstance, { discovery }: ApiDependencies): void {
  app.get(
    '/system/discovery',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_R' } },
      schema: { summary: 'Discovery service', tags: ['system'], response: { 200: data(Switch) } },
    },
    () => ({ data: { enable: discovery.enabled } }),
  );

  app.put<{ Body: { enable: boolean } }>(
    '/system/discovery',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_RW' } },
      schema: {
        summary: 'Switch the discovery service',
        tags: ['system'],
        body: Switch,
        response: { 200: data(Switch) },
      },
    },
    async (request) => {
      await discovery.setEnabled(request.body.enable);
      return { data: { enable: discovery.enabled } };
    },
  );
}

export function serviceRoutes(app: FastifyInstance, { services }: ApiDependencies): void {
  app.get(
    '/system/services',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_R' } },
      schema: { summary: 'Services of this gateway', tags: ['services'], response: { 200: data(Services) } },
    },
    () => {
      const items = services.list();
      const groups = SERVICE_GROUPS.map((group) => [
        group,
        items
          .filter((item) => item.group === group)
          .map(({ available, enable, id }) => ({ available, enable, id })),
      ]);
      return { data: Object.fromEntries(groups) as Record<string, unknown> };
    },
  );

  for (const [action, enable] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    app.put<{ Params: { id: string } }>(
      `/system/services/:id/${action}`,
      {
        config: { access: { permission: 'SYS_MAINTENANCE_RW' } },
        schema: {
          summary: `Make a service ${action}d`,
          tags: ['services'],
          params: ServiceId,
          response: { 200: data(Switch) },
        },
      },
      async (request) => ({
        data: { enable: (await services.setEnabled(request.params.id, enable)).enable },
      }),
    );
  }
}
