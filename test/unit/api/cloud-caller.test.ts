import { type TestApi, withApi } from '../../support/api';

const all = { limit: 100, offset: 0 };

test('the cloud calls the API with the permissions of its role, and the audit trail says so', async () => {
  await withApi(async (api: TestApi) => {
    const operator = api.management.callApi('operator');
    expect(await operator({ method: 'GET', path: '/system/discovery' })).toEqual({
      status: 200,
      payload: { data: { enable: true } },
    });
    const off = await operator({ method: 'PUT', path: '/system/discovery', body: { enable: false } });
    expect(off).toEqual({ status: 200, payload: { data: { enable: false } } });
    expect((await api.management.audit.query(all)).records[0]).toMatchObject({
      user: 'iothub',
      source: 'iothub',
      action: 'PUT /api/v1/system/discovery',
      result: 'success',
    });
    const viewer = api.management.callApi('viewer');
    expect((await viewer({ method: 'PUT', path: '/system/discovery', body: { enable: true } })).status).toBe(
      403,
    );
  });
});

test('accounts stay out of reach of the cloud, whatever the role', async () => {
  await withApi(async (api) => {
    const administrator = api.management.callApi('administrator');
    for (const path of ['/users', '/sessions', '/password-policy']) {
      expect((await administrator({ method: 'GET', path })).status).toBe(403);
    }
    const change = { newPassword: 'Cloud-Chosen-1' };
    expect((await administrator({ method: 'PUT', path: '/users/me/password', body: change })).status).toBe(
      401,
    );
  });
});

test('a client on the network cannot pose as the cloud', async () => {
  await withApi(async (api) => {
    api.token = '';
    const answer = await api.call('GET', '/device/general', undefined, {
      authorization: 'Bearer iothub',
      'x-forwarded-for': 'iothub',
    });
    expect(answer.status).toBe(401);
  });
});

test('no spelling of the path lets the cloud try passwords', async () => {
  await withApi(async (api) => {
    const administrator = api.management.callApi('administrator');
    const body = { acceptEULA: true, name: 'admin', password: 'A-Guess-Of-1' };
    for (const path of [
      '/auth',
      '//auth',
      '/%61uth',
      '/./auth',
      '/x/../auth',
      '/%2e/auth',
      '/auth?x',
      '/AUTH',
    ]) {
      const { status } = await administrator({ method: 'POST', path, body });
      expect([path, [403, 404].includes(status)]).toEqual([path, true]);
    }
  });
});
