import { type ApiCall, apiMethod, builtInMethods } from '../../../src/agent/hub/direct-methods';
import { applyDesired } from '../../../src/agent/hub/desired';
import { FakeClock } from '../../support/fake-clock';

function recorder(status = 200, payload: unknown = { data: { enable: true } }) {
  const calls: ApiCall[] = [];
  const callApi = async (call: ApiCall) => {
    calls.push(call);
    return Promise.resolve({ status, payload });
  };
  return { calls, callApi };
}

test('thingspro-api-v1 carries path, method and body to the API and its answer back', async () => {
  const { calls, callApi } = recorder();
  const answer = await apiMethod(callApi)({
    path: '/system/sshserver',
    method: 'put',
    headers: [{ Authorization: 'Bearer forged' }],
    requestBody: { enable: true, port: 22 },
  });
  expect(calls).toEqual([{ method: 'PUT', path: '/system/sshserver', body: { enable: true, port: 22 } }]);
  expect(answer).toEqual({ status: 200, payload: { data: { enable: true } } });
});

test('requestBody may be JSON text', async () => {
  const { calls, callApi } = recorder();
  await apiMethod(callApi)({ path: '/x', method: 'PUT', requestBody: '{"enable":false}' });
  expect(calls[0]?.body).toEqual({ enable: false });
});

test.each([
  null,
  'GET /x',
  {},
  { path: 'x', method: 'GET' },
  { path: '/x', method: 'CONNECT' },
  { path: '/x y', method: 'GET' },
  { path: `/${'x'.repeat(600)}`, method: 'GET' },
  { path: '/x', method: 'PUT', requestBody: '{not json' },
])('a payload that is no API call is refused with 400 and calls nothing: %j', async (payload) => {
  const { calls, callApi } = recorder();
  const answer = await apiMethod(callApi)(payload);
  expect(answer).toMatchObject({ status: 400, payload: { error: { code: 400 } } });
  expect(calls).toEqual([]);
});

test('an answer that does not fit into a direct method is 413', async () => {
  const { callApi } = recorder(200, { data: 'x'.repeat(200_000) });
  expect(await apiMethod(callApi)({ path: '/audits', method: 'GET' })).toMatchObject({ status: 413 });
});

test('ping answers, and reprovision answers before it acts', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const methods = builtInMethods(
    clock,
    () => (asked += 1),
    () => ({ version: '1.2.3' }),
  );
  clock.advance(5000);
  expect(await methods['ping']!(null)).toMatchObject({
    status: 200,
    payload: { uptimeSec: 5, version: '1.2.3' },
  });
  expect(await methods['reprovision']!(null)).toMatchObject({ status: 202 });
  expect(asked).toBe(0);
  clock.advance(1000);
  expect(asked).toBe(1);
});

test('desired services and discovery become API calls and are acknowledged with version and result', async () => {
  const { calls, callApi } = recorder();
  const patch = {
    $version: 7,
    services: { sshserver: { enable: false }, ntp: { enable: true } },
    discovery: { enable: false },
  };
  expect(await applyDesired(patch, callApi)).toEqual({
    version: 7,
    services: { sshserver: { version: 7, status: 200 }, ntp: { version: 7, status: 200 } },
    discovery: { version: 7, status: 200 },
  });
  expect(calls).toEqual([
    { method: 'PUT', path: '/system/services/sshserver/disable' },
    { method: 'PUT', path: '/system/services/ntp/enable' },
    { method: 'PUT', path: '/system/discovery', body: { enable: false } },
  ]);
});

test('a desired value of wrong shape, an unknown service and a refusal of the API are told apart', async () => {
  const { callApi } = recorder(403, { error: { code: 403, message: 'permission denied' } });
  const patch = {
    $version: 8,
    services: { sshserver: 'on', '../users': { enable: true }, ntp: { enable: true }, gone: null },
  };
  expect(await applyDesired(patch, callApi)).toMatchObject({
    services: {
      sshserver: { status: 400 },
      '../users': { status: 404 },
      ntp: { status: 403, message: 'permission denied' },
      gone: null,
    },
  });
});

test('what is not ours in the desired properties is left alone', async () => {
  const { calls, callApi } = recorder();
  const patch = { $version: 9, other: { enable: true }, services: {} };
  expect(await applyDesired(patch, callApi)).toBeUndefined();
  expect(calls).toEqual([]);
});
