import type { FastifyRequest } from 'fastify';
import { Type } from '@sinclair/typebox';
import { isTpeError } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import type { Faults } from '../faults/faults';
import { applyHttpFault } from '../faults/http-fault';
import type { HttpsApp } from '../https-app';
import { requireServiceToken } from '../sas/service-access';
import type { ServiceClock } from '../service-clock';
import type { Collection } from '../store/collection';
import type { Policy } from '../store/instance';
import { registrationState } from './device-api';
import type { Enrollments } from './enrollments';
import type { Registration } from './records';
import { refusal } from './refusal';

export interface DpsServiceApiOptions {
  readonly policy: Policy;
  /** Host names that a token's audience may name. */
  readonly hosts: readonly string[];
  readonly enrollments: Enrollments;
  readonly states: Collection<typeof Registration>;
  readonly faults: Faults;
  readonly clock: ServiceClock;
}

/** Azure takes ten at a time. */
const MOST_BULK = 10;
const DEFAULT_PAGE = 100;
const LARGEST_PAGE = 1000;

const Bulk = Type.Object({
  mode: Type.Union(['create', 'update', 'updateIfMatchETag', 'delete'].map((mode) => Type.Literal(mode))),
  enrollments: Type.Array(
    Type.Object({ registrationId: Type.String(), etag: Type.Optional(Type.String()) }),
    {
      minItems: 1,
      maxItems: MOST_BULK,
    },
  ),
});

const Query = Type.Object({ query: Type.String({ maxLength: 4096 }) });

const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id;

function ifMatchOf(request: FastifyRequest): string | undefined {
  return request.headers['if-match'];
}

/** The DPS service API: `/enrollments…` and `/registrations…`, for holders of the policy's key. */
export function addDpsServiceApi(app: HttpsApp, options: DpsServiceApiOptions): void {
  const { enrollments, states, policy, hosts, clock, faults } = options;

  app.register((api, _options, done) => {
    api.addHook('onRequest', async (request, reply) => {
      const id = (request.params as { id?: string }).id ?? '*';
      if (await applyHttpFault(faults.take('dps-service', id), reply)) return reply;
      requireServiceToken(request, policy, hosts, clock);
      const { 'api-version': version } = request.query as Record<string, unknown>;
      if (typeof version !== 'string' || version === '')
        throw refusal('badRequest', 'api-version is missing.');
      return undefined;
    });

    api.put('/enrollments/:id', async (request) =>
      enrollments.put(idOf(request), request.body, ifMatchOf(request)),
    );
    api.get('/enrollments/:id', (request, reply) => reply.send(enrollments.get(idOf(request))));
    api.delete('/enrollments/:id', async (request, reply) => {
      await enrollments.delete(idOf(request), ifMatchOf(request));
      return await reply.code(204).send();
    });

    api.post('/enrollments/:id/attestationmechanism', (request, reply) =>
      reply.send(enrollments.get(idOf(request))['attestation']),
    );

    api.post('/enrollments', async (request) => {
      const bulk = validate(Bulk, request.body, 'the bulk operation');
      const whole = (request.body as { enrollments: unknown[] }).enrollments;
      const errors = [];
      for (const [i, { registrationId, etag }] of bulk.enrollments.entries()) {
        const value = whole[i];
        try {
          if (bulk.mode === 'delete') await enrollments.delete(registrationId, etag);
          else if (bulk.mode === 'create') await enrollments.put(registrationId, value, undefined);
          else await enrollments.put(registrationId, value, bulk.mode === 'update' ? '*' : (etag ?? '""'));
        } catch (error) {
          if (!isTpeError(error, 'EMU_REFUSED', 'VALUE_INVALID')) throw error;
          const errorCode = error.details['errorCode'] ?? 400001;
          errors.push({ registrationId, errorCode, errorStatus: error.message });
        }
      }
      return { isSuccessful: errors.length === 0, errors };
    });

    api.post('/enrollments/query', (request, reply) => {
      const { query } = validate(Query, request.body, 'the query');
      if (!/^\s*select\s+\*\s+(from\s+enrollments\s*)?;?\s*$/i.test(query)) {
        throw refusal('badRequest', 'Only "SELECT * FROM enrollments" is supported.');
      }
      const size = Number(request.headers['x-ms-max-item-count'] ?? DEFAULT_PAGE);
      const start = Number(request.headers['x-ms-continuation'] ?? 0);
      if (
        !Number.isInteger(size) ||
        size < 1 ||
        size > LARGEST_PAGE ||
        !Number.isInteger(start) ||
        start < 0
      ) {
        throw refusal('badRequest', 'Page size or continuation token is not valid.');
      }
      const all = enrollments.list();
      reply.header('x-ms-item-type', 'enrollment');
      if (start + size < all.length) reply.header('x-ms-continuation', String(start + size));
      return reply.send(all.slice(start, start + size));
    });

    api.get('/registrations/:id', (request, reply) => {
      const registration = states.get(idOf(request).toLowerCase());
      if (registration === undefined) throw refusal('noRegistration');
      return reply.send(registrationState(registration));
    });
    api.delete('/registrations/:id', async (request, reply) => {
      const removed = await states.delete(idOf(request).toLowerCase());
      if (!removed) throw refusal('noRegistration');
      return await reply.code(204).send();
    });
    done();
  });
}
