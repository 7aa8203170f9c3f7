import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TpeError, codeOf, isTpeError, toTpeError } from '../../../common/errors/tpe-error';
import type { ErrorEnvelope } from '../../../protocol/api-types';
import { LOGIN_PAGE, LOGIN_PAGE_POLICY } from '../login-page';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A page for people: a browser without a token is asked for a login. */
    forBrowsers?: boolean;
  }
}

/** ThingsPro Edge's error envelope, with our code and advice beside it. */
export function envelopeOf(error: TpeError): ErrorEnvelope {
  return {
    error: { code: error.status, message: error.message, id: error.code, advice: error.advice },
  };
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

/** Fastify's own errors (body too large, malformed URL, …) in terms of the registry. */
function translate(error: unknown, request: FastifyRequest): TpeError {
  if (isTpeError(error)) return error;
  const code = codeOf(error);
  const status = statusOf(error);
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE' || status === 413) {
    return new TpeError('API_BODY_TOO_LARGE', { limit: request.routeOptions.bodyLimit }, { cause: error });
  }
  if (status === 415) return new TpeError('API_MEDIA_TYPE', {}, { cause: error });
  if (status === 503) return new TpeError('API_BUSY', {}, { cause: error });
  if (status !== undefined && status >= 400 && status < 500) {
    return new TpeError(
      'API_INPUT_INVALID',
      { reason: STATUS_CODES[status]?.toLowerCase() ?? 'bad request' },
      { cause: error },
    );
  }
  return toTpeError(error);
}

export async function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const known = translate(error, request);
  request.errorCode = known.code;
  // The client learns that it is our fault, the log learns why.
  const shown =
    known.code === 'INTERNAL' ? new TpeError('INTERNAL', { reason: 'see the log of the gateway' }) : known;
  if (known.status >= 500) request.log.error({ err: known }, 'request failed');
  const retryAfter = known.details['retryAfterSec'];
  if (known.status === 401) void reply.header('WWW-Authenticate', 'Bearer');
  if (typeof retryAfter === 'number') void reply.header('Retry-After', String(retryAfter));
  else if (known.status === 503 && known.retryable) void reply.header('Retry-After', '5');
  void reply.code(known.status);
  if (known.status === 401 && request.routeOptions.config.forBrowsers === true && wantsHtml(request)) {
    void reply.header('content-security-policy', LOGIN_PAGE_POLICY);
    await reply.type('text/html; charset=utf-8').send(LOGIN_PAGE);
    return;
  }
  await reply.type('application/json; charset=utf-8').send(envelopeOf(shown));
}

function wantsHtml({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes('text/html') === true;
}

/** What the HTTP parser itself refuses never reaches fastify's error handler. */
export function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  // Node.js hands failed TLS handshakes here, too: ending such a socket waits for ever, and idle ones would fill the
  // table of connections.
  const fromParser = /^(HPE_|ERR_HTTP_)/.test(error.code ?? '');
  if (!fromParser || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const message = STATUS_CODES[status] ?? 'Bad Request';
  const body = JSON.stringify({ error: { code: status, message: message.toLowerCase() } });
  socket.end(
    `HTTP/1.1 ${status} ${message}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

export function useEnvelope(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>(sendError);
  app.setNotFoundHandler(async (request, reply) =>
    sendError(new TpeError('API_NOT_FOUND', { what: 'resource' }), request, reply),
  );
}
