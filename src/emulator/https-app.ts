import type { Server } from 'node:https';
import { type FastifyInstance, fastify } from 'fastify';
import { codeOf, reasonOf } from '../common/errors/tpe-error';
import type { Logger } from '../common/logger';
import { refusal, refusalAnswer } from './dps/refusal';
import type { ServerIdentity } from './pki/certificates';
import type { ServiceClock } from './service-clock';

export type HttpsApp = FastifyInstance<Server>;

const BODY_LIMIT = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

const byFastifyCode = new Map([
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', refusal('mediaType')],
  ['FST_ERR_CTP_BODY_TOO_LARGE', refusal('badRequest', 'The body is too large.')],
  ['FST_ERR_CTP_EMPTY_JSON_BODY', refusal('badRequest', 'The body is empty.')],
  ['FST_ERR_CTP_INVALID_JSON_BODY', refusal('badRequest', 'The body is not JSON.')],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', refusal('badRequest', 'The body has another length than promised.')],
  ['FST_ERR_VALIDATION', refusal('badRequest')],
  ['VALUE_INVALID', refusal('badRequest')],
]);

/** Our own checks name the place; a parser's or schema's complaint becomes a 400 with its sentence. */
export function asRefusal(error: unknown): unknown {
  const code = codeOf(error) ?? '';
  const known = byFastifyCode.get(code);
  if (known !== undefined) return code === 'VALUE_INVALID' ? refusal('badRequest', reasonOf(error)) : known;
  if (typeof error === 'object' && error !== null && 'statusCode' in error && error.statusCode === 400) {
    return refusal('badRequest', reasonOf(error));
  }
  return error;
}

/** A TLS 1.2+ server that answers everything it does not know with DPS's error bodies. */
export function newHttpsApp(identity: ServerIdentity, clock: ServiceClock, logger: Logger): HttpsApp {
  const app: HttpsApp = fastify({
    https: { key: identity.key, cert: identity.cert, minVersion: 'TLSv1.2' },
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256, ignoreTrailingSlash: true },
  });
  // Devices without a clock of their own set theirs by this header.
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('date', new Date(clock.now()).toUTCString());
    done();
  });
  app.setErrorHandler((error, request, reply) => {
    const refused = asRefusal(error);
    const { status, body } = refusalAnswer(refused, clock.iso());
    if (status >= 500)
      logger.error({ path: request.url.split('?')[0], reason: reasonOf(error) }, 'request failed');
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((_request, reply) => {
    const { status, body } = refusalAnswer(refusal('notFound'), clock.iso());
    return reply.code(status).send(body);
  });
  return app;
}
