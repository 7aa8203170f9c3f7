import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';
import { GeneralReader } from '../../device/general';
import { EthernetSettings, HostName, NtpSettings, TimeZone } from '../../services/helper-protocol';
import type { ApiDependencies } from '../dependencies';
import { READ, WRITE, addRoute } from '../route';
import { IdParams, data, list, listOf } from '../schemas/envelope';
import { Ethernet, General, Time } from '../schemas/device';

const tag = 'device';

/** Any ISO 8601 time as the helper wants it. */
function toUtcSeconds(time: string): string {
  const ms = Date.parse(time);
  if (!/^\d{4}-\d\d-\d\dT/.test(time) || !Number.isFinite(ms)) {
    throw new TpeError('API_INPUT_INVALID', { reason: 'time: not an ISO 8601 time' });
  }
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function generalRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { identity, clock, deviceSettings, host } = dependencies;
  const general = new GeneralReader(identity, () => clock.monotonic());
  const view = async (): Promise<object> => ({
    data: { description: deviceSettings.value.description, ...(await general.read()) },
  });

  addRoute(app, {
    method: 'GET',
    url: '/device/general',
    access: READ,
    summary: 'Who this gateway is',
    tag,
    answer: data(General),
    handler: view,
  });

  addRoute(app, {
    method: 'PATCH',
    url: '/device/general',
    access: WRITE,
    summary: 'Change description or host name',
    tag,
    body: Type.Object({
      description: Type.Optional(Type.String({ maxLength: 512 })),
      hostName: Type.Optional(HostName),
    }),
    answer: data(General),
    handler: async (request) => {
      const { description, hostName } = request.body;
      if (hostName !== undefined && hostName !== (await general.read()).hostName) {
        await host.request({ verb: 'setHostName', hostName });
      }
      if (description !== undefined) await deviceSettings.update((state) => ({ ...state, description }));
      general.forget();
      return view();
    },
  });
}

function ethernetRoutes(app: FastifyInstance, { ethernets }: ApiDependencies): void {
  addRoute(app, {
    method: 'GET',
    url: '/device/ethernets',
    access: READ,
    summary: 'Ethernet ports',
    tag,
    answer: list(Ethernet),
    handler: async () => listOf(await ethernets.list()),
  });

  addRoute(app, {
    method: 'PATCH',
    url: '/device/ethernets/:id',
    access: WRITE,
    summary:
      'Change addresses; taken back after 60 s unless a login on the new address, over a new connection, confirms it',
    tag,
    params: IdParams,
    body: Type.Object({ ...Type.Partial(EthernetSettings).properties, wan: Type.Optional(Type.Boolean()) }),
    answer: data(Ethernet),
    handler: async (request, reply) => {
      const { enable, enableDhcp, ip, netmask, gateway, dns } = request.body;
      const change = Object.entries({ enable, enableDhcp, ip, netmask, gateway, dns });
      const known = Object.fromEntries(change.filter(([, value]) => value !== undefined));
      const ethernet = await ethernets.change(Number(request.params.id), known);
      // The login that confirms it needs a new connection: the client shall not keep this one.
      void reply.header('Connection', 'close');
      return { data: ethernet };
    },
  });
}

function timeRoutes(app: FastifyInstance, { clock, host }: ApiDependencies): void {
  const view = async (): Promise<object> => {
    // Without the helper the clock itself is all that can be told.
    const known = await host.request({ verb: 'getTime' }).catch(() => undefined);
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    return {
      data: {
        time: new Date(clock.now()).toISOString(),
        timezone: known?.timezone ?? timeZone,
        ...(known === undefined ? {} : { ntp: known.ntp, synchronized: known.synchronized }),
      },
    };
  };

  addRoute(app, {
    method: 'GET',
    url: '/device/time',
    access: READ,
    summary: 'Clock, time zone and time synchronisation',
    tag,
    answer: data(Time),
    handler: view,
  });

  addRoute(app, {
    method: 'PATCH',
    url: '/device/time',
    access: WRITE,
    summary: 'Set clock, time zone or time synchronisation',
    tag,
    body: Type.Object({
      time: Type.Optional(Type.String({ maxLength: 40 })),
      timezone: Type.Optional(TimeZone),
      ntp: Type.Optional(Type.Partial(NtpSettings)),
    }),
    answer: data(Time),
    handler: async (request) => {
      const { time, timezone, ntp } = request.body;
      if (timezone !== undefined) await host.request({ verb: 'setTimeZone', timezone });
      if (ntp !== undefined) {
        const before = (await host.request({ verb: 'getTime' })).ntp;
        await host.request({ verb: 'setNtp', ntp: { ...before, ...ntp } });
      }
      if (time !== undefined) await host.request({ verb: 'setTime', time: toUtcSeconds(time) });
      return view();
    },
  });
}

export function deviceRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  generalRoutes(app, dependencies);
  ethernetRoutes(app, dependencies);
  timeRoutes(app, dependencies);
}
