import { type TestApi, STRONG_PASSWORD, withApi } from '../../support/api';
import { RawHttps, requestText } from '../../support/raw-https';

const general = (token: string): string =>
  requestText('GET', '/api/v1/device/general', { Authorization: `Bearer ${token}` });

/** A connection on which this token was just believed. */
async function believed(api: TestApi, run: (raw: RawHttps, token: string) => Promise<void>): Promise<void> {
  const raw = await RawHttps.open(await api.listen());
  try {
    for (let i = 0; i < 3; i += 1) expect((await raw.ask(general(api.token)))?.status).toBe(200);
    await run(raw, api.token);
  } finally {
    raw.end();
  }
}

test('a logout counts at once on the connection that the token was believed on', async () => {
  await withApi(async (api) => {
    await believed(api, async (raw, token) => {
      expect((await api.call('DELETE', '/auth')).status).toBe(204);
      expect((await raw.ask(general(token)))?.status).toBe(401);
    });
  });
});

test('so do a password change, a terminated session, and a user who is switched off', async () => {
  await withApi(async (api) => {
    await believed(api, async (raw, token) => {
      await api.data('PUT', '/users/me/password', {
        oldPassword: STRONG_PASSWORD,
        newPassword: `${STRONG_PASSWORD}2`,
      });
      expect((await raw.ask(general(token)))?.status).toBe(401);

      await api.login(`${STRONG_PASSWORD}2`);
      expect((await raw.ask(general(api.token)))?.status).toBe(200);
      const [session] = await api.data<{ id: string }[]>('GET', '/sessions');
      await api.call('DELETE', `/sessions/${session?.id}`);
      expect((await raw.ask(general(api.token)))?.status).toBe(401);

      const admin = await api.login(`${STRONG_PASSWORD}2`);
      const { id } = await api.data<{ id: number }>('POST', '/users', {
        name: 'looker',
        password: STRONG_PASSWORD,
        roles: [3],
      });
      await api.login(STRONG_PASSWORD, 'looker');
      await api.data('PUT', '/users/me/password', { newPassword: `${STRONG_PASSWORD}3` });
      const looker = await api.login(`${STRONG_PASSWORD}3`, 'looker');
      expect((await raw.ask(general(looker)))?.status).toBe(200);
      api.token = admin;
      await api.data('PATCH', `/users/${id}`, { isActive: false });
      expect((await raw.ask(general(looker)))?.status).toBe(401);
    });
  });
});

test('so do a change of roles and the end of a user, whatever the connection has seen', async () => {
  await withApi(async (api) => {
    const raw = await RawHttps.open(await api.listen());
    try {
      const admin = api.token;
      const { id } = await api.data<{ id: number }>('POST', '/users', {
        name: 'second',
        password: STRONG_PASSWORD,
        roles: [1],
      });
      await api.login(STRONG_PASSWORD, 'second');
      await api.data('PUT', '/users/me/password', { newPassword: `${STRONG_PASSWORD}2` });
      const users = async (token: string) =>
        (await raw.ask(requestText('GET', '/api/v1/users', { Authorization: `Bearer ${token}` })))?.status;
      const before = await api.login(`${STRONG_PASSWORD}2`, 'second');
      expect(await users(before)).toBe(200);
      api.token = admin;
      await api.data('PATCH', `/users/${id}`, { roles: [3] });
      expect(await users(before)).toBe(401);
      const after = await api.login(`${STRONG_PASSWORD}2`, 'second');
      expect([await users(after), await users(before)]).toEqual([403, 401]);
      api.token = admin;
      await api.call('DELETE', `/users/${id}`);
      expect(await users(after)).toBe(401);
    } finally {
      raw.end();
    }
  });
});

test('a connection that a token was believed on believes no other one', async () => {
  await withApi(async (api) => {
    await believed(api, async (raw, token) => {
      const [head = '', payload = '', signature = ''] = token.split('.');
      const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
      for (const other of [`${head}.${payload}.${flipped}`, `${head}.${payload}.`, `${token}A`, '']) {
        expect((await raw.ask(general(other)))?.status).toBe(401);
        expect((await raw.ask(general(token)))?.status).toBe(200);
      }
      expect((await raw.ask(requestText('GET', '/api/v1/device/general')))?.status).toBe(401);
    });
  });
});
