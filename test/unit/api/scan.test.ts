import { DEFAULT_PASSWORD } from '../../../src/protocol/api-types';
import { type Method, STRONG_PASSWORD, type TestApi, testApi } from '../../support/api';
import { withTempFolder } from '../../support/temp';

let api: TestApi;
let end: () => void;
let done: Promise<unknown>;

beforeAll(async () => {
  await new Promise<void>((ready) => {
    done = withTempFolder(async (folder) => {
      api = await testApi(folder);
      await api.takeOver();
      const finished = new Promise<void>((resolve) => (end = resolve));
      ready();
      await finished;
      await api.close();
    });
  });
});

afterAll(async () => {
  end();
  await done;
});

const target = (url: string): string =>
  url
    .replace('/api/v1', '')
    .replace(/\/sessions\/:id/, '/sessions/00000000-0000-0000-0000-000000000000')
    .replace(':id', '1');

test('exactly login, liveness and version of the API need no token', () => {
  const open = api.app.described.filter(({ access }) => access === 'public');
  expect(open.map(({ method, url }) => `${method} ${url}`).sort()).toEqual([
    'GET /api/v1/health',
    'GET /api/v1/version',
    'POST /api/v1/auth',
  ]);
});

test('every other route answers 401 without a token, whatever is sent', async () => {
  const { token } = api;
  api.token = '';
  const guarded = api.app.described.filter(({ access }) => access !== 'public');
  expect(guarded.length).toBeGreaterThan(45);
  for (const { method, url } of guarded) {
    for (const body of [undefined, { enable: true }]) {
      const answer = await api.call(method as Method, target(url), method === 'GET' ? undefined : body);
      expect([method, url, answer.status]).toEqual([method, url, 401]);
      expect(answer.body).toMatchObject({ error: { code: 401, id: 'API_TOKEN_INVALID' } });
    }
  }
  api.token = token;
});

test.each([
  ['Viewer', 3, ['SYS_MAINTENANCE_R']],
  ['Operator', 2, ['SYS_MAINTENANCE_R', 'SYS_MAINTENANCE_RW']],
] as const)('a %s gets 403 on every route whose permission it has not', async (name, role, held) => {
  await api.login();
  const password = `Initial-${name}-1`;
  await api.data('POST', '/users', { name, password, roles: [role] });
  await api.login(password, name);
  await api.data('PUT', '/users/me/password', { newPassword: STRONG_PASSWORD });
  await api.login(STRONG_PASSWORD, name);
  for (const { method, url, access } of api.app.described) {
    if (access === 'public' || access.permission === 'none') continue;
    if ((held as readonly string[]).includes(access.permission)) continue;
    const answer = await api.call(method as Method, target(url), method === 'GET' ? undefined : {});
    expect([method, url, answer.status]).toEqual([method, url, 403]);
    expect(answer.body).toMatchObject({ error: { code: 403, message: 'permission denied' } });
  }
  await api.login();
});

test('a user whose password must change reaches only what must work before', async () => {
  await api.login();
  await api.data('POST', '/users', { name: 'fresh', password: 'Initial-fresh-1', roles: [{ id: 1 }] });
  await api.login('Initial-fresh-1', 'fresh');
  const reached: string[] = [];
  for (const { method, url, access } of api.app.described) {
    if (access === 'public' || (method === 'DELETE' && url.endsWith('/auth'))) continue;
    const answer = await api.call(method as Method, target(url), method === 'GET' ? undefined : {});
    if (answer.status !== 403) reached.push(`${method} ${url.replace('/api/v1', '')}`);
    else expect(answer.text).toContain('passwordMustChange');
  }
  expect(reached.filter((route) => !route.includes('/tpm')).sort()).toEqual([
    'GET /auth',
    'GET /docs',
    'GET /openapi.json',
    'GET /users/me',
    'PUT /users/me/password',
  ]);
  await api.login();
});

test('every answer carries the security headers, also errors', async () => {
  for (const path of ['/health', '/nothing', '/device/general']) {
    const { headers } = await api.call('GET', path);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'strict-transport-security': 'max-age=31536000',
      'x-frame-options': 'DENY',
    });
  }
});

test('the factory password logs nobody in any more', async () => {
  const answer = await api.call('POST', '/auth', { name: 'admin', password: DEFAULT_PASSWORD });
  expect(answer.status).toBe(401);
});
