import type { TSchema } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import type { Access } from './authentication';

/** A route as it was added: what the description is made of. */
export interface DescribedRoute {
  readonly method: string;
  /** With the base path, parameters as `:name`. */
  readonly url: string;
  readonly access: Access | 'public';
  readonly summary: string;
  readonly tags: readonly string[];
  readonly body?: TSchema;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly responses: Readonly<Record<string, TSchema>>;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route, in the order of adding. */
    described: DescribedRoute[];
  }
}

/** Remembers every route, so that the description cannot differ from what is served. */
export function collectRoutes(app: FastifyInstance): void {
  const described: DescribedRoute[] = [];
  app.decorate('described', described);
  app.addHook('onRoute', ({ method, url, config, schema }) => {
    const { body, params, querystring, response } = schema ?? {};
    described.push({
      method: Array.isArray(method) ? (method[0] ?? '') : method,
      url,
      access: config?.access ?? { permission: 'SYS_USER_RW' },
      summary: schema?.summary ?? '',
      tags: schema?.tags ?? [],
      ...(body === undefined ? {} : { body: body as TSchema }),
      ...(params === undefined ? {} : { params: params as TSchema }),
      ...(querystring === undefined ? {} : { query: querystring as TSchema }),
      responses: response as Record<string, TSchema>,
    });
  });
}
