import { createHash, createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_PASSWORD } from '../../../src/protocol/api-types';
import { STRONG_PASSWORD, testApi, withApi } from '../../support/api';
import { withTempFolder } from '../../support/temp';

const HOUR_MS = 3_600_000;

test('the first login says passwordMustChange, and every other route refuses until the password is changed', async () => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    const answer = await api.call('POST', '/auth', { name: 'admin', password: DEFAULT_PASSWORD });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        data: {
          user: {
            id: 1,
            name: 'admin',
            email: null,
            isActive: true,
            passwordChangedAt: null,
            permissions: ['SYS_MAINTENANCE_RW', 'SYS_USER_RW'],
            roles: [{ id: 1, name: 'Administrator' }],
            flag: 'passwordMustChange',
          },
        },
      },
    });
    await api.login(DEFAULT_PASSWORD);
    expect(await api.call('GET', '/auth')).toMatchObject({ status: 200, body: { data: 'ok' } });
    for (const path of ['/device/general', '/azure-iotedge', '/provisioning', '/system/services']) {
      const refused = await api.call('GET', path);
      expect(refused.status).toBe(403);
      expect(refused.text).toContain('passwordMustChange');
    }
    expect((await api.call('PUT', '/users/me/password', { newPassword: STRONG_PASSWORD })).status).toBe(200);
    expect((await api.call('GET', '/auth')).status).toBe(401);
    await api.login();
    expect((await api.call('GET', '/device/general')).status).toBe(200);
    await api.close();
  });
});

test('the default password is refused as the new one, with the documented sentence', async () => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    await api.login(DEFAULT_PASSWORD);
    const answer = await api.call('PUT', '/users/me/password', { newPassword: DEFAULT_PASSWORD });
    expect(answer).toMatchObject({
      status: 400,
      body: { error: { code: 400, message: 'New password should be different from default password.' } },
    });
    await api.close();
  });
});

test.each([
  ['short', 'Ab1!'],
  ['without digit', 'Gateway-abcd'],
  ['without special character', 'Gateway4711'],
  ['without upper case', 'gateway-4711'],
  ['with a space', 'Gateway 4711!'],
])('a new password %s is refused', async (_what, newPassword) => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    await api.login(DEFAULT_PASSWORD);
    const answer = await api.call('PUT', '/users/me/password', { newPassword });
    expect(answer).toMatchObject({ status: 400, body: { error: { id: 'API_PASSWORD_TOO_WEAK' } } });
    await api.close();
  });
});

test('after the first change the old password is required and must be right', async () => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    await api.takeOver();
    const newPassword = 'Another-4712!';
    expect((await api.call('PUT', '/users/me/password', { newPassword })).status).toBe(400);
    const wrong = await api.call('PUT', '/users/me/password', { newPassword, oldPassword: 'Wrong-4711!' });
    expect(wrong).toMatchObject({ status: 400, body: { error: { id: 'API_OLD_PASSWORD_WRONG' } } });
    const right = { newPassword, oldPassword: STRONG_PASSWORD };
    expect((await api.call('PUT', '/users/me/password', right)).status).toBe(200);
    await api.login(newPassword);
    await api.close();
  });
});

test('wrong password and unknown user get the same answer', async () => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    const wrong = await api.call('POST', '/auth', { name: 'admin', password: 'Wrong-4711!' });
    const unknown = await api.call('POST', '/auth', { name: 'nobody', password: 'Wrong-4711!' });
    expect(wrong).toMatchObject({
      status: 401,
      body: { error: { code: 401, message: 'the account or password you entered is not correct' } },
    });
    expect(unknown.text).toBe(wrong.text);
    await api.close();
  });
});

test('ten wrong passwords ban the account for ten minutes, also for the right one', async () => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    for (let i = 0; i < 10; i += 1) {
      expect((await api.call('POST', '/auth', { name: 'admin', password: 'Wrong-4711!' })).status).toBe(401);
    }
    const banned = await api.call('POST', '/auth', { name: 'admin', password: DEFAULT_PASSWORD });
    expect(banned).toMatchObject({
      status: 423,
      body: { error: { code: 423, message: 'the account was banned temporarily' } },
    });
    expect(Number(banned.headers['retry-after'])).toBe(600);
    api.clock.advance(10 * 60_000);
    await api.login(DEFAULT_PASSWORD);
    await api.close();
  });
});

test('parallel guesses are not all admitted before the first has failed', async () => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    const guess = { name: 'admin', password: 'Wrong-4711!' };
    const answers = await Promise.all(
      Array.from({ length: 30 }, async () => api.call('POST', '/auth', guess)),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 423)).toHaveLength(20);
    await api.close();
  });
});

test('a session ends after five idle minutes and after a day, and no jump of the clock ends it', async () => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    await api.takeOver();
    api.clock.jump(400 * 24 * HOUR_MS);
    expect((await api.call('GET', '/auth')).status).toBe(200);
    for (let minutes = 0; minutes < 24 * 60 - 4; minutes += 4) {
      expect((await api.call('GET', '/auth')).status).toBe(200);
      api.clock.advance(4 * 60_000);
    }
    api.clock.advance(4 * 60_000);
    expect((await api.call('GET', '/auth')).status).toBe(401);
    await api.login();
    api.clock.advance(5 * 60_000);
    expect((await api.call('GET', '/auth')).status).toBe(401);
    await api.close();
  });
});

describe('forged tokens are refused', () => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sign = (head: object, payload: object, key: string): string => {
    const body = `${part(head)}.${part(payload)}`;
    return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
  };
  const payloadOf = (token: string): object =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object;

  test.each<[string, (token: string) => string]>([
    ['no algorithm', (token) => `${part({ alg: 'none', typ: 'JWT' })}.${token.split('.')[1] ?? ''}.`],
    ['another key', (token) => sign({ alg: 'HS256', typ: 'JWT' }, payloadOf(token), 'guess')],
    ['an empty key', (token) => sign({ alg: 'HS256', typ: 'JWT' }, payloadOf(token), '')],
    [
      'another user in the payload',
      (token) => {
        const [head, , signature] = token.split('.');
        return `${head ?? ''}.${part({ ...payloadOf(token), sub: 'root' })}.${signature ?? ''}`;
      },
    ],
    ['a cut signature', (token) => token.slice(0, -4)],
    ['nothing but dots', () => '..'],
  ])('%s', async (_what, forge) => {
    await withTempFolder(async (folder) => {
      const api = await testApi(folder);
      await api.takeOver();
      api.token = forge(api.token);
      expect(await api.call('GET', '/device/general')).toMatchObject({
        status: 401,
        body: { error: { code: 401 } },
      });
      await api.close();
    });
  });
});

test('a token of the run before is worth nothing', async () => {
  await withTempFolder(async (folder) => {
    const before = await testApi(folder);
    await before.takeOver();
    await before.close();
    const after = await testApi(folder);
    after.token = before.token;
    expect((await after.call('GET', '/auth')).status).toBe(401);
    await after.login();
    await after.close();
  });
});

test('damaged accounts lock the API with advice instead of bringing the factory password back', async () => {
  await withTempFolder(async (folder) => {
    await (await testApi(folder)).close();
    await writeFile(join(folder, 'state', 'accounts.json'), '{');
    await writeFile(join(folder, 'state', 'accounts.json.twin'), '');
    const api = await testApi(folder);
    const login = await api.call('POST', '/auth', { name: 'admin', password: DEFAULT_PASSWORD });
    expect(login.status).toBe(503);
    expect(login.text).toContain('tpe-agentctl factory reset');
    expect((await api.call('GET', '/device/general', undefined, { authorization: 'Bearer x' })).status).toBe(
      503,
    );
    expect((await api.call('GET', '/health')).status).toBe(200);
    await api.close();
  });
});

test('a browser that opens the API page gets a login form with the 401, a client the error', async () => {
  await withApi(async (api) => {
    const { token } = api;
    api.token = '';
    const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
    const form = await api.call('GET', '/docs', undefined, html);
    expect(form.status).toBe(401);
    expect(form.headers['content-type']).toBe('text/html; charset=utf-8');
    const script = /<script>([\s\S]*)<\/script>/.exec(form.text)?.[1] ?? '';
    const digest = createHash('sha256').update(script).digest('base64');
    expect(form.headers['content-security-policy']).toContain(`script-src 'sha256-${digest}';`);
    expect((await api.call('GET', '/docs')).body).toMatchObject({ error: { code: 401 } });
    expect((await api.call('GET', '/users', undefined, html)).body).toMatchObject({ error: { code: 401 } });
    api.token = token;
    const page = await api.call('GET', '/docs', undefined, html);
    expect(page.text).toContain('<h1>tpe-agent REST API</h1>');
    expect(page.headers['content-security-policy']).not.toContain('script');
  });
});
