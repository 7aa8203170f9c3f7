import type { FastifyReply, FastifyRequest } from 'fastify';
import { Value } from '@sinclair/typebox/value';
import { isTpeError } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import type { Counters } from '../admin/counters';
import type { FaultPoint, Faults } from '../faults/faults';
import { applyHttpFault } from '../faults/http-fault';
import type { HttpsApp } from '../https-app';
import type { ServiceClock } from '../service-clock';
import { RateLimit } from './rate-limit';
import { RegisterBody, type Registration, RegistrationId } from './records';
import { refusal, refusalAnswer } from './refusal';
import type { DeviceAnswer, Registrations } from './registrations';
import type { DpsSettings } from './settings';

export interface DeviceApiOptions {
  readonly idScope: string;
  readonly registrations: Registrations;
  readonly settings: DpsSettings;
  readonly faults: Faults;
  readonly counters: Counters;
  readonly clock: ServiceClock;
}

/** The registration as devices read it. */
export function registrationState(registration: Registration): Record<string, unknown> {
  return Object.fromEntries(Object.entries(registration).filter(([name]) => name !== 'initialHub'));
}

const headerOf = (request: FastifyRequest): string => request.headers.authorization ?? '';

/** The DPS device API: `/{idScope}/registrations/…`. */
export function addDeviceApi(app: HttpsApp, options: DeviceApiOptions): void {
  const { registrations, settings, faults, counters, clock } = options;
  const limit = new RateLimit();

  const checkedId = (request: FastifyRequest): string => {
    const { idScope, id } = request.params as { idScope: string; id: string };
    const { 'api-version': version } = request.query as Record<string, unknown>;
    if (typeof version !== 'string' || version === '') throw refusal('badRequest', 'api-version is missing.');
    if (idScope.toLowerCase() !== options.idScope.toLowerCase()) throw refusal('notFound');
    if (!Value.Check(RegistrationId, id)) throw refusal('badRequest', 'The registration ID is not valid.');
    return id.toLowerCase();
  };

  const throttle = (reply: FastifyReply): void => {
    const waitSeconds = limit.take(performance.now(), settings.registrationsPerMinute);
    if (waitSeconds === 0) return;
    reply.header('retry-after', String(waitSeconds));
    throw refusal('throttled');
  };

  const answer = (reply: FastifyReply, request: FastifyRequest, result: DeviceAnswer): FastifyReply => {
    if (result.kind === 'challenge') {
      return reply.code(401).send({
        message: 'Authorization required, resend request using supplied key',
        authenticationKey: result.authenticationKey,
        unencryptedAuthenticationKey: null,
        keyName: 'registration',
      });
    }
    if (result.kind === 'assigning') {
      const { operationId, registrationId } = result;
      const polled = request.method === 'GET';
      const path = `/${options.idScope}/registrations/${registrationId}/operations/${operationId}`;
      return reply
        .code(202)
        .header('retry-after', String(settings.retryAfterSeconds))
        .header('location', `https://${request.host}${path}?api-version=2021-06-01`)
        .send({
          operationId,
          status: 'assigning',
          ...(polled ? { registrationState: { registrationId, status: 'assigning' } } : {}),
        });
    }
    const { operationId, registration, authenticationKey } = result;
    return reply.code(200).send({
      operationId,
      status: registration.status,
      registrationState: {
        ...(authenticationKey === undefined ? {} : { tpm: { authenticationKey } }),
        ...registrationState(registration),
      },
    });
  };

  /** Counts, applies faults, refuses with DPS's bodies. */
  const serve = async (
    request: FastifyRequest,
    reply: FastifyReply,
    point: FaultPoint,
    work: (id: string, fault: ReturnType<Faults['take']>) => DeviceAnswer,
  ): Promise<FastifyReply> => {
    const id = checkedId(request);
    counters.count(
      id,
      point === 'dps-poll' ? 'dpsPolls' : point === 'dps-challenge' ? 'dpsChallenges' : 'dpsRegisters',
    );
    const fault = faults.take(point, id);
    if (await applyHttpFault(fault, reply)) return reply;
    if (point !== 'dps-poll') throttle(reply);
    try {
      return await answer(reply, request, work(id, fault));
    } catch (error) {
      if (isTpeError(error, 'EMU_REFUSED')) counters.count(id, 'dpsRefusals');
      throw error;
    }
  };

  app.put('/:idScope/registrations/:id/register', async (request, reply) => {
    const proves = headerOf(request) !== '';
    return await serve(request, reply, proves ? 'dps-register' : 'dps-challenge', (id, fault) => {
      const body = validate(RegisterBody, request.body, 'the registration');
      if (body.registrationId !== undefined && body.registrationId.toLowerCase() !== id) {
        throw refusal('badRequest', 'The registration ID in the body is another one than in the URL.');
      }
      return proves
        ? registrations.register(id, body, headerOf(request), fault)
        : registrations.challenge(id, body, fault);
    });
  });

  app.get('/:idScope/registrations/:id/operations/:operationId', async (request, reply) => {
    const { operationId } = request.params as { operationId: string };
    return await serve(request, reply, 'dps-poll', (id, fault) =>
      registrations.poll(id, operationId, headerOf(request), fault),
    );
  });

  app.post('/:idScope/registrations/:id', (request, reply) => {
    const id = checkedId(request);
    counters.count(id, 'dpsLookups');
    return reply.send(registrationState(registrations.lookUp(id, headerOf(request))));
  });

  app.route({
    method: ['GET', 'DELETE', 'PATCH', 'PUT'],
    url: '/:idScope/registrations/:id',
    handler: (_request, reply) => {
      const { status, body } = refusalAnswer(refusal('methodNotAllowed'), clock.iso());
      return reply.code(status).send(body);
    },
  });
}
