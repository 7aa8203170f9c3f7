import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Access } from './plugins/authentication';

export const READ: Access = { permission: 'SYS_MAINTENANCE_R' };
export const WRITE: Access = { permission: 'SYS_MAINTENANCE_RW' };
export const USERS: Access = { permission: 'SYS_USER_RW' };
/** Anybody who is logged in, also before the first password change. */
export const LOGGED_IN: Access = { permission: 'none', initial: true };

/** What a route is: everything that checks, records and describes it. */
export interface Route<B extends TSchema, P extends TSchema, Q extends TSchema> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the base path. */
  readonly url: string;
  readonly access: Access | 'public';
  readonly summary: string;
  /** Group in the API description, category in the audit trail. */
  readonly tag: string;
  /** Name in the audit trail, where method and path do not say it well. */
  readonly event?: string;
  /** `Type.Optional(…)` accepts a request without a body. */
  readonly body?: B;
  readonly params?: P;
  readonly query?: Q;
  /** Status of success; 200 unless said otherwise. */
  readonly status?: number;
  /** Schema of the answer; absent for an answer without a body. */
  readonly answer?: TSchema;
  readonly bodyLimit?: number;
  /** A page for people: a browser without a token is asked for a login, with the same 401. */
  readonly forBrowsers?: boolean;
  readonly handler: (
    request: FastifyRequest<{ Body: Static<B>; Params: Static<P>; Querystring: Static<Q> }>,
    reply: FastifyReply,
  ) => unknown;
}

const NoContent = Type.Null({ description: 'no body' });

/** Adds a route. There is no way to add one without saying who may call it. */
export function addRoute<B extends TSchema, P extends TSchema, Q extends TSchema>(
  app: FastifyInstance,
  route: Route<B, P, Q>,
): void {
  const {
    method,
    url,
    access,
    summary,
    tag,
    event,
    body,
    params,
    query,
    answer,
    bodyLimit,
    forBrowsers,
    handler,
  } = route;
  const status = route.status ?? (answer === undefined ? 204 : 200);
  app.route<{ Body: Static<B>; Params: Static<P>; Querystring: Static<Q> }>({
    method,
    url,
    config: {
      access,
      ...(event === undefined ? {} : { event }),
      ...(forBrowsers === undefined ? {} : { forBrowsers }),
    },
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    schema: {
      summary,
      tags: [tag],
      ...(body === undefined ? {} : { body }),
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { querystring: query }),
      response: { [status]: answer ?? NoContent },
    },
    handler: async (request, reply) => {
      const payload: unknown = await handler(request, reply);
      if (reply.sent) return reply;
      if (reply.statusCode === 200) reply.code(status);
      return reply.send(payload);
    },
  });
}
