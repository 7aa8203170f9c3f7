import { type TSchema } from '@sinclair/typebox';
import fc from 'fast-check';
import { type Method, STRONG_PASSWORD, type TestApi, withApi } from '../../support/api';

/** What would end the session or the gateway, so that the next request would prove nothing. */
const DESTRUCTIVE = [
  'DELETE /api/v1/auth',
  'PUT /api/v1/system/reset-default',
  'PUT /api/v1/azure-iotedge/reset',
];

/** Values that fit the schema's field names, and values that do not: a mix gets past the first check. */
function bodies(schema: TSchema | undefined): fc.Arbitrary<unknown> {
  const properties = Object.keys((schema?.['properties'] as object | undefined) ?? {});
  const value = fc.oneof(
    fc.anything({ maxDepth: 2 }),
    fc.boolean(),
    fc.integer(),
    fc.string(),
    fc.constantFrom(
      '',
      ' ',
      '\u0000',
      '../../etc/passwd',
      '0',
      'true',
      '__proto__',
      '\ud800',
      '🛰',
      'a'.repeat(5000),
    ),
    fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 4 }),
  );
  const shaped = fc.dictionary(fc.oneof(fc.constantFrom(...properties, 'x'), fc.string()), value, {
    maxKeys: 6,
  });
  return fc.oneof({ arbitrary: shaped, weight: 4 }, { arbitrary: value, weight: 1 });
}

async function loggedIn(api: TestApi): Promise<void> {
  if ((await api.call('GET', '/auth')).status === 200) return;
  api.clock.advance(60 * 60_000);
  await api.login(STRONG_PASSWORD);
}

test('no generated body makes any route fail on our side, hang, or answer outside the envelope', async () => {
  await withApi(async (api) => {
    const routes = api.app.described.filter(
      ({ method, url }) => method !== 'GET' && !DESTRUCTIVE.includes(`${method} ${url}`),
    );
    for (const { method, url, body } of routes) {
      await fc.assert(
        fc.asyncProperty(bodies(body), fc.string({ maxLength: 20 }), async (generated, id) => {
          await loggedIn(api);
          const payload = JSON.stringify([generated]).slice(1, -1);
          const path = url.replace('/api/v1', '').replace(':id', encodeURIComponent(id));
          const answer = await api.call(method as Method, path, payload, {
            'content-type': 'application/json',
          });
          // 503 is the root helper that this system has not.
          expect([200, 202, 204, 400, 401, 403, 404, 405, 409, 413, 414, 423, 503]).toContain(answer.status);
          if (answer.status >= 400) {
            expect(answer.body).toMatchObject({
              error: { code: answer.status, message: expect.any(String) as unknown },
            });
          }
          if (answer.status === 503) {
            expect(answer.body).toMatchObject({ error: { id: 'HOST_HELPER_ABSENT' } });
          }
        }),
        { numRuns: 25 },
      );
    }
  });
});

test('no generated text after a path makes a GET fail on our side', async () => {
  await withApi(async (api) => {
    const routes = api.app.described.filter(({ method }) => method === 'GET');
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), fc.string(), fc.string(), async ({ url }, id, query) => {
        await loggedIn(api);
        const path = url.replace('/api/v1', '').replace(':id', encodeURIComponent(id));
        const answer = await api.call(
          'GET',
          `${path}?limit=${encodeURIComponent(query)}&user=${encodeURIComponent(id)}`,
        );
        expect(answer.status === 503 || answer.status < 500).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
