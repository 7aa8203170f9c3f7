import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { apiPage } from '../api-page';
import { openApiOf } from '../openapi';
import { LOGGED_IN, addRoute } from '../route';

export function descriptionRoutes(app: FastifyInstance): void {
  addRoute(app, {
    method: 'GET',
    url: '/openapi.json',
    access: LOGGED_IN,
    summary: 'This description',
    tag: 'description',
    answer: Type.Object({}, { description: 'an OpenAPI 3.1 document' }),
    handler: () => openApiOf(app.described),
  });

  addRoute(app, {
    method: 'GET',
    url: '/docs',
    access: LOGGED_IN,
    summary: 'This description as a page that works without internet',
    tag: 'description',
    answer: Type.String(),
    forBrowsers: true,
    handler: (_request, reply) => {
      void reply
        .type('text/html; charset=utf-8')
        .header(
          'content-security-policy',
          "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        );
      return apiPage(app.described);
    },
  });
}
