import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AuditTrail } from '../../system/audit';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Name of the event, where method and path do not say it well. */
    event?: string;
  }
  interface FastifyRequest {
    /** Registry code of the error that was answered. */
    errorCode: string | undefined;
    /** Who tried, where nobody is logged in yet. */
    claimedName: string | undefined;
  }
}

const SECRET = /password|token|key|secret|connectionstring|pk$/i;
const LONGEST_DETAIL = 512;
/** No account has a longer name. */
const LONGEST_CLAIM = 64;

/** What was sent, for the record: secrets masked, at any depth. */
export function detailOf(body: unknown): string {
  if (body === undefined || body === null) return '';
  let text: string;
  try {
    text = JSON.stringify(body, (key, value: unknown) => (SECRET.test(key) ? '***' : value));
  } catch {
    // Nested so deep that it cannot be printed; what was done with it is recorded all the same.
    return '(not printable)';
  }
  return text.length > LONGEST_DETAIL ? `${text.slice(0, LONGEST_DETAIL)}…` : text;
}

function actionOf(request: FastifyRequest): string {
  const { event } = request.routeOptions.config;
  // Whoever is not logged in could write any number of different paths, and wash the trail out with them.
  const path = request.caller === undefined ? request.routeOptions.url : request.url.split('?')[0];
  return event ?? `${request.method} ${path ?? ''}`;
}

/** Names that a locked-out source invents are one line with a count, not a line each. */
function userOf({ caller, claimedName, errorCode }: FastifyRequest): string {
  if (caller !== undefined) return caller.user.name;
  return errorCode === 'API_ACCOUNT_BANNED' ? '-' : (claimedName?.slice(0, LONGEST_CLAIM) ?? '-');
}

/** Reading is not recorded, but being refused is. */
function matters(request: FastifyRequest, status: number): boolean {
  if (request.is404) return false;
  return request.method !== 'GET' || status === 401 || status === 403 || status === 423;
}

/**
 * Records every login, refusal and change. What a client is told has happened is on disk before it is told, also when
 * the agent is killed in the next instant.
 */
export function useAudit(app: FastifyInstance, audit: Pick<AuditTrail, 'record'>): void {
  app.decorateRequest('errorCode', undefined);
  app.decorateRequest('claimedName', undefined);
  app.addHook('onSend', (request, reply, payload, done) => {
    const status = reply.statusCode;
    if (!matters(request, status)) {
      done(null, payload);
      return;
    }
    const stranger = request.caller === undefined;
    const event = {
      user: userOf(request),
      source: request.ip,
      category: request.routeOptions.schema?.tags?.[0] ?? 'api',
      action: actionOf(request),
      // Without a caller the body may hold a password in whatever field somebody mistook for it.
      detail: stranger ? '' : detailOf(request.body),
      result: status < 400 ? 'success' : status < 500 ? 'refused' : 'failed',
      code: request.errorCode ?? '',
    } as const;
    const recorded = audit.record(event, stranger);
    // A stranger's refusal changes nothing. Were it to wait for a slow disk, guesses would fill the API.
    if (stranger && status >= 400) done(null, payload);
    else recorded.then(() => done(null, payload), done);
  });
}
