import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { SERVICE_GROUPS } from '../../services/reference-services';
import type { ApiDependencies } from '../dependencies';
import { READ, WRITE, addRoute } from '../route';
import { Switch, data } from '../schemas/envelope';

const tag = 'services';

const Service = Type.Object({
  available: Type.Boolean(),
  /** What is wanted. */
  enable: Type.Boolean(),
  id: Type.String(),
  displayName: Type.String(),
  /** What is; absent where nobody can tell. */
  actual: Type.Optional(Type.Boolean()),
  /** Why wanted and actual state differ. */
  problem: Type.Optional(Type.String()),
});
const Services = Type.Object(Object.fromEntries(SERVICE_GROUPS.map((group) => [group, Type.Array(Service)])));
const ServiceParams = Type.Object({ id: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$' }) });
const SwitchAnswer = Type.Object({ ...Switch.properties, warning: Type.Optional(Type.String()) });

export function serviceRoutes(app: FastifyInstance, { services, host }: ApiDependencies): void {
  addRoute(app, {
    method: 'GET',
    url: '/system/services',
    access: READ,
    summary: 'Services of this gateway: desired and actual state, and why they differ',
    tag,
    answer: data(Services),
    handler: async () => {
      const items = await services.list();
      const groups = SERVICE_GROUPS.map((wanted) => [
        wanted,
        items.filter(({ group }) => group === wanted).map((item) => ({ ...item, group: undefined })),
      ]);
      return { data: Object.fromEntries(groups) as object };
    },
  });

  for (const [action, enable] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    addRoute(app, {
      method: 'PUT',
      url: `/system/services/:id/${action}`,
      access: WRITE,
      summary: `Have a service ${action}d`,
      tag,
      params: ServiceParams,
      answer: data(SwitchAnswer),
      handler: async (request) => {
        const { item, warning } = await services.setEnabled(request.params.id, enable);
        return { data: { enable: item.enable, ...(warning === undefined ? {} : { warning }) } };
      },
    });
  }

  const Ssh = Type.Object({ enable: Type.Boolean(), port: Type.Integer() });
  /** Without a helper nobody may ask sshd; 22 is what it listens on unless told otherwise. */
  const sshPort = async (): Promise<number> =>
    host.request({ verb: 'getSshPort' }).then(
      ({ port }) => port,
      () => 22,
    );
  const ssh = async (): Promise<object> => {
    const { enable } = await services.get('sshserver');
    return { data: { enable, port: await sshPort() } };
  };
  addRoute(app, {
    method: 'GET',
    url: '/system/sshserver',
    access: READ,
    summary: 'The SSH server',
    tag,
    answer: data(Ssh),
    handler: ssh,
  });
  for (const method of ['PUT', 'PATCH'] as const) {
    addRoute(app, {
      method,
      url: '/system/sshserver',
      access: WRITE,
      summary: 'Switch the SSH server, change its port',
      tag,
      body: Type.Object({
        enable: method === 'PUT' ? Type.Boolean() : Type.Optional(Type.Boolean()),
        port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
      }),
      answer: data(Ssh),
      handler: async (request) => {
        const { enable, port } = request.body as { enable?: boolean; port?: number };
        if (port !== undefined && port !== (await sshPort())) {
          await host.request({ verb: 'setSshPort', port });
        }
        if (enable !== undefined) await services.setEnabled('sshserver', enable);
        return ssh();
      },
    });
  }
  addRoute(app, {
    method: 'GET',
    url: '/system/serialconsole',
    access: READ,
    summary: 'The serial console',
    tag,
    answer: data(Switch),
    handler: async () => ({ data: { enable: (await services.get('localconsole')).enable } }),
  });
  addRoute(app, {
    method: 'PUT',
    url: '/system/serialconsole',
    access: WRITE,
    summary: 'Switch the serial console',
    tag,
    body: Switch,
    answer: data(Switch),
    handler: async (request) => {
      const { item } = await services.setEnabled('localconsole', request.body.enable);
      return { data: { enable: item.enable } };
    },
  });
}
