import { OptionalKind, type TObject, type TSchema } from '@sinclair/typebox';
import { API_PORT, ErrorEnvelope } from '../../protocol/api-types';
import type { DescribedRoute } from './plugins/route-collector';

type Json = Record<string, unknown>;

/** `/users/:id` as `/users/{id}`. */
const pathOf = (url: string): string => url.replace(/:(\w+)/g, '{$1}');

/** E.g. `putSystemServicesByIdEnable`. */
function operationId(method: string, path: string): string {
  const words = path
    .replace(/^\/api\/v1/, '')
    .split(/[/.-]/)
    .filter((word) => word !== '')
    .map((word) => word.replace(/^\{(\w+)\}$/, (_all, name: string) => `by-${name}`).split('-'))
    .flat()
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${method.toLowerCase()}${words.join('')}`;
}

/** TypeBox schemas are JSON Schema with symbols beside it, which JSON leaves out. */
const plain = (schema: TSchema): Json => JSON.parse(JSON.stringify(schema)) as Json;

function parametersOf({ params, query }: DescribedRoute): Json[] {
  const from = (schema: TSchema | undefined, place: 'path' | 'query'): Json[] =>
    Object.entries((schema as TObject | undefined)?.properties ?? {}).map(([name, property]) => ({
      name,
      in: place,
      required: place === 'path' || !(OptionalKind in property),
      schema: plain(property),
    }));
  return [...from(params, 'path'), ...from(query, 'query')];
}

const failure = (description: string): Json => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
});

function responsesOf(route: DescribedRoute): Json {
  const successes = Object.entries(route.responses).map(([status, schema]) => {
    if (schema.type === 'null') return [status, { description: 'Done' }];
    const type = schema.type === 'string' ? 'text/plain' : 'application/json';
    return [status, { description: 'Success', content: { [type]: { schema: plain(schema) } } }];
  });
  const login = route.url.endsWith('/auth') && route.method === 'POST';
  const guarded = {
    '401': failure('The token is missing, expired or not valid'),
    '403': failure('The permission is missing, or the initial password must be changed first'),
  };
  const signIn = {
    '401': failure('Account or password is not correct'),
    '423': failure('The account was banned temporarily'),
  };
  return {
    ...(Object.fromEntries(successes) as Json),
    ...(route.body !== undefined || route.params !== undefined || route.query !== undefined
      ? { '400': failure('The input is not valid') }
      : {}),
    ...(route.access === 'public' ? {} : guarded),
    ...(login ? signIn : {}),
    default: failure('Any other error'),
  };
}

function operationOf(route: DescribedRoute): Json {
  const { access, body, method, summary, tags, url } = route;
  const parameters = parametersOf(route);
  return {
    operationId: operationId(method, pathOf(url)),
    summary,
    tags,
    ...(access === 'public' ? { security: [] } : { 'x-permission': access.permission }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !(OptionalKind in body),
            content: { 'application/json': { schema: plain(body) } },
          },
        }),
    responses: responsesOf(route),
  };
}

/** OpenAPI 3.1 document of the routes. */
export function openApiOf(routes: readonly DescribedRoute[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = pathOf(route.url);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  const tags = [...new Set(routes.flatMap((route) => route.tags))].sort();
  return {
    openapi: '3.1.0',
    info: {
      title: 'tpe-agent REST API',
      version: '1.0.0',
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Paths, envelopes and messages of ThingsPro Edge. Success is {"data": …}, a list {"count": n, "data": […]}, ' +
        'an error {"error": {"code": HTTP status, "message": …}} with our error id and advice beside it.',
    },
    servers: [
      {
        url: 'https://{address}:{port}',
        variables: { address: { default: '192.168.4.127' }, port: { default: String(API_PORT) } },
      },
    ],
    security: [{ bearer: [] }],
    tags: tags.map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { Error: plain(ErrorEnvelope) },
    },
  };
}
