import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { ProvisionWindow } from '../../discovery/provision-window';
import type { ApiDependencies } from '../dependencies';
import { READ, WRITE, addRoute } from '../route';
import { Ok, Switch, data, ok } from '../schemas/envelope';

const tag = 'system';

function discoveryRoutes(app: FastifyInstance, { discovery }: ApiDependencies): void {
  addRoute(app, {
    method: 'GET',
    url: '/system/discovery',
    access: READ,
    summary: 'The discovery service',
    tag,
    answer: data(Switch),
    handler: () => ({ data: { enable: discovery.enabled } }),
  });

  addRoute(app, {
    method: 'PUT',
    url: '/system/discovery',
    access: WRITE,
    summary: 'Switch the discovery service',
    tag,
    body: Switch,
    answer: data(Switch),
    handler: async (request) => {
      await discovery.setEnabled(request.body.enable);
      return { data: { enable: discovery.enabled } };
    },
  });

  addRoute(app, {
    method: 'GET',
    url: '/system/provision',
    access: READ,
    summary: 'The provisioning window',
    tag,
    answer: data(ProvisionWindow),
    handler: () => ({ data: discovery.provision }),
  });

  addRoute(app, {
    method: 'PUT',
    url: '/system/provision',
    access: WRITE,
    summary: 'Change the provisioning window, after which discovery closes',
    tag,
    body: Type.Object({
      enable: Type.Boolean(),
      schedule: Type.Optional(Type.Partial(ProvisionWindow.properties.schedule)),
    }),
    answer: data(ProvisionWindow),
    handler: async (request) => {
      const { enable, schedule } = request.body;
      const before = discovery.provision.schedule;
      await discovery.setProvision({
        enable,
        schedule: {
          enable: schedule?.enable ?? before.enable,
          disableAfterSec: schedule?.disableAfterSec ?? before.disableAfterSec,
        },
      });
      return { data: discovery.provision };
    },
  });
}

function httpServerRoutes(app: FastifyInstance, { httpServer }: ApiDependencies): void {
  const HttpServer = Type.Object({
    httpEnable: Type.Boolean(),
    httpPort: Type.Integer(),
    httpsEnable: Type.Boolean(),
    httpsPort: Type.Integer(),
    keySha256: Type.String(),
    warning: Type.Optional(
      Type.String({ description: 'What clients may find wrong with an own certificate: its names, its end' }),
    ),
  });
  const view = (): object => {
    const warning = httpServer.certificateWarning();
    return {
      ...httpServer.settings(),
      httpsEnable: true,
      keySha256: httpServer.keySha256(),
      ...(warning === undefined ? {} : { warning }),
    };
  };

  addRoute(app, {
    method: 'GET',
    url: '/system/httpserver',
    access: READ,
    summary: 'Ports of the API; plain HTTP redirects to HTTPS',
    tag,
    answer: data(HttpServer),
    handler: () => ({ data: view() }),
  });

  const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
  addRoute(app, {
    method: 'PATCH',
    url: '/system/httpserver',
    access: WRITE,
    summary: 'Change the ports of the API; the new port listens before the old one closes',
    tag,
    body: Type.Object({
      httpEnable: Type.Optional(Type.Boolean()),
      httpPort: Type.Optional(Port),
      httpsEnable: Type.Optional(Type.Boolean()),
      httpsPort: Type.Optional(Port),
    }),
    answer: data(HttpServer),
    handler: async (request) => {
      await httpServer.change(request.body);
      return { data: view() };
    },
  });

  const Pem = Type.String({ minLength: 64, maxLength: 32_768 });
  addRoute(app, {
    method: 'PUT',
    url: '/system/httpserver/certificate',
    access: WRITE,
    summary: 'Use an own certificate: key, chain, validity and names are checked before',
    tag,
    event: 'change certificate',
    body: Type.Object({
      certificate: Pem,
      privateKey: Pem,
      allowOtherNames: Type.Optional(
        Type.Boolean({ description: 'Also one whose names are none that the gateway knows of itself' }),
      ),
    }),
    answer: data(HttpServer),
    handler: async (request) => {
      const { allowOtherNames, certificate, privateKey } = request.body;
      await httpServer.useCertificate(certificate, privateKey, allowOtherNames);
      return { data: view() };
    },
  });

  addRoute(app, {
    method: 'DELETE',
    url: '/system/httpserver/certificate',
    access: WRITE,
    summary: 'Back to the self-made certificate',
    tag,
    event: 'change certificate',
    answer: data(HttpServer),
    handler: async () => {
      await httpServer.useOwnCertificate();
      return { data: view() };
    },
  });
}

const SCOPES = ['account', 'discovery', 'provision', 'azure-iotedge', 'keep-network-setting'] as const;
const Scope = Type.Union(SCOPES.map((scope) => Type.Literal(scope)));

function resetRoutes(app: FastifyInstance, { reset }: ApiDependencies): void {
  addRoute(app, {
    method: 'PUT',
    url: '/system/reset-default',
    access: { permission: 'SYS_USER_RW' },
    summary: 'Back to the factory default: the named scopes, or everything',
    tag,
    event: 'reset to default',
    body: Type.Optional(
      Type.Object(
        {
          scope: Type.Optional(Type.Array(Scope, { maxItems: SCOPES.length })),
          scopes: Type.Optional(Type.Array(Scope, { maxItems: SCOPES.length })),
        },
        // A misspelt key must not mean "everything".
        { additionalProperties: false },
      ),
    ),
    status: 202,
    answer: Ok,
    handler: async (request) => {
      // Without a body there is none, whatever its schema says.
      const body = request.body as { scope?: string[]; scopes?: string[] } | null | undefined;
      await reset(new Set([...(body?.scope ?? []), ...(body?.scopes ?? [])]));
      return ok();
    },
  });
}

export function systemRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  discoveryRoutes(app, dependencies);
  httpServerRoutes(app, dependencies);
  resetRoutes(app, dependencies);
}
