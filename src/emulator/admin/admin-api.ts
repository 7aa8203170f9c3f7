import { type Static, Type } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { validate } from '../../common/validate';
import { refusal } from '../dps/refusal';
import type { DpsSettings } from '../dps/settings';
import { FARTHEST_OFFSET_MS, FaultRule, type Faults } from '../faults/faults';
import type { HttpsApp } from '../https-app';
import { type HubContext, setClock } from '../hub/hub-context';
import type { Outages } from './outages';
import type { Rearrange } from './rearrange';
import { isBearer } from './token';

export const ADMIN_BASE = '/admin/v1';

/** What can be set while it runs. */
export const Settings = Type.Object(
  {
    retryAfterSeconds: Type.Integer({ minimum: 0, maximum: 86_400 }),
    assignmentDelayMs: Type.Integer({ minimum: 0, maximum: 3_600_000 }),
    registrationsPerMinute: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
    /** Added to the services' clock. */
    clockOffsetMs: Type.Integer({ minimum: -FARTHEST_OFFSET_MS, maximum: FARTHEST_OFFSET_MS }),
    /** False: the port is closed, as when a host is down. */
    dpsListening: Type.Boolean(),
    hubListening: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type Settings = Static<typeof Settings>;

const HubName = Type.Object({ hub: Type.String({ minLength: 1, maxLength: 255 }) });

export interface AdminApiOptions {
  readonly token: string;
  readonly faults: Faults;
  readonly settings: DpsSettings;
  readonly context: HubContext;
  readonly outages: Outages;
  readonly rearrange: Rearrange;
}

const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id;

/** Fault injection and insight for tests, below {@link ADMIN_BASE}; for holders of the admin token only. */
export function addAdminApi(app: HttpsApp, options: AdminApiOptions): void {
  const { faults, settings, context, outages, rearrange } = options;
  const { counters, clock, hubs, telemetry } = context;

  const current = (): Settings => ({
    ...settings,
    clockOffsetMs: clock.offsetMs,
    dpsListening: outages.listening('dps'),
    hubListening: outages.listening('hub'),
  });

  app.register(
    (api, _options, done) => {
      api.addHook('onRequest', (request, _reply, next) => {
        next(isBearer(request.headers.authorization, options.token) ? undefined : refusal('unauthorized'));
      });

      api.get('/settings', () => current());
      api.patch('/settings', async (request) => {
        const change = validate(Type.Partial(Settings), request.body, 'the settings');
        const { clockOffsetMs, dpsListening, hubListening, ...dps } = change;
        Object.assign(settings, dps);
        if (clockOffsetMs !== undefined) setClock(context, clockOffsetMs);
        if (dpsListening !== undefined) await outages.set('dps', dpsListening);
        if (hubListening !== undefined) await outages.set('hub', hubListening);
        return current();
      });

      api.get('/faults', () => ({ faults: faults.list() }));
      api.post('/faults', async (request, reply) => {
        const ruleId = faults.add(validate(FaultRule, request.body, 'the fault'));
        if (ruleId === undefined) throw refusal('conflict', 'There are too many faults.');
        return await reply.code(201).send({ ruleId });
      });
      api.delete('/faults', async (_request, reply) => {
        faults.clear();
        return await reply.code(204).send();
      });
      api.delete('/faults/:id', async (request, reply) => {
        if (!faults.remove(Number(idOf(request)))) throw refusal('notFound');
        return await reply.code(204).send();
      });

      api.get('/counters', () => counters.all());
      api.get('/counters/:id', (request) => counters.of(idOf(request)));
      api.delete('/counters', async (_request, reply) => {
        counters.reset();
        return await reply.code(204).send();
      });

      api.get('/hubs', () => ({
        hubs: [...hubs.values()].map((hub) => ({
          hostName: hub.hostName,
          policyName: hub.settings.policy.name,
          policyKey: hub.settings.policy.key,
          devices: hub.devices.size,
          connected: hub.connectedCount,
        })),
      }));
      api.get('/telemetry', (request) => ({
        telemetry: telemetry.list((request.query as { deviceId?: string }).deviceId),
      }));

      api.post('/devices/:id/disconnect', async (request, reply) => {
        rearrange.disconnect(idOf(request));
        return await reply.code(204).send();
      });
      api.post('/devices/:id/expire-token', async (request, reply) => {
        rearrange.expireToken(idOf(request));
        return await reply.code(204).send();
      });
      api.post('/devices/:id/new-key', async (request, reply) => {
        await rearrange.newKey(idOf(request));
        return await reply.code(204).send();
      });
      api.post('/devices/:id/move', async (request, reply) => {
        const { hub } = validate(HubName, request.body, 'the move');
        await rearrange.move(idOf(request), hub);
        return await reply.code(204).send();
      });
      done();
    },
    { prefix: ADMIN_BASE },
  );
}
