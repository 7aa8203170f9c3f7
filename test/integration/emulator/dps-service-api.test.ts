import { httpsCall } from '../../../src/common/http/request';
import { dpsService, enroll, registerSoftly, sasToken } from '../../support/azure-client';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { newSoftTpm } from '../../support/soft-tpm';

const tpm = newSoftTpm();
let emulator: TestEmulator;

beforeAll(async () => {
  emulator = await startEmulator({ hubs: 2 });
});
afterAll(async () => {
  await emulator.end();
});

const attestation = { type: 'tpm', tpm: { endorsementKey: tpm.endorsementKey } };

interface Shown {
  readonly etag: string;
  readonly createdDateTimeUtc: string;
  readonly registrationState?: { status: string };
}

test('an enrollment is made, read, changed with its etag and deleted', async () => {
  const made = await enroll(emulator, 'Unit-1', tpm, { initialTwin: { tags: { line: 4 } } });
  expect(made.status).toBe(200);
  const first = made.body as Shown;
  expect(first).toMatchObject({
    registrationId: 'unit-1',
    attestation,
    provisioningStatus: 'enabled',
    initialTwin: { tags: { line: 4 } },
  });

  const read = await dpsService(emulator, 'GET', '/enrollments/UNIT-1');
  expect(read.body).toEqual(first);

  const change = { registrationId: 'unit-1', attestation, provisioningStatus: 'disabled' };
  const changed = await dpsService(emulator, 'PUT', '/enrollments/unit-1', change, {
    'if-match': first.etag,
  });
  expect(changed.status).toBe(200);
  const second = changed.body as Shown;
  expect(second.etag).not.toBe(first.etag);
  expect(second.createdDateTimeUtc).toBe(first.createdDateTimeUtc);

  const stale = await dpsService(emulator, 'DELETE', '/enrollments/unit-1', undefined, {
    'if-match': first.etag,
  });
  expect(stale).toMatchObject({ status: 412, body: { errorCode: 412001 } });
  const gone = await dpsService(emulator, 'DELETE', '/enrollments/unit-1', undefined, {
    'if-match': second.etag,
  });
  expect(gone.status).toBe(204);
  expect((await dpsService(emulator, 'GET', '/enrollments/unit-1')).status).toBe(404);
});

test('making an enrollment twice without an etag: 409', async () => {
  await enroll(emulator, 'twice', tpm);
  expect(await enroll(emulator, 'twice', tpm)).toMatchObject({ status: 409, body: { errorCode: 409001 } });
});

test('changing an enrollment that is not there, by etag: 404', async () => {
  const body = { registrationId: 'absent', attestation };
  const answer = await dpsService(emulator, 'PUT', '/enrollments/absent', body, { 'if-match': '"x"' });
  expect(answer.status).toBe(404);
});

test('an enrollment shows the state of its registration, which can be deleted', async () => {
  await enroll(emulator, 'shown', tpm);
  await registerSoftly(emulator, 'shown', tpm);
  const shown = (await dpsService(emulator, 'GET', '/enrollments/shown')).body as Shown;
  expect(shown.registrationState?.status).toBe('assigned');
  expect((await dpsService(emulator, 'GET', '/registrations/shown')).body).toMatchObject({
    status: 'assigned',
  });
  expect((await dpsService(emulator, 'DELETE', '/registrations/shown')).status).toBe(204);
  expect((await dpsService(emulator, 'GET', '/registrations/shown')).body).toMatchObject({
    errorCode: 404202,
  });
});

test.each([
  ['no attestation', { registrationId: 'bad' }],
  ['another attestation', { registrationId: 'bad', attestation: { type: 'symmetricKey' } }],
  [
    'an EK that is none',
    { registrationId: 'bad', attestation: { type: 'tpm', tpm: { endorsementKey: 'AAAA' } } },
  ],
  ['another registration ID', { registrationId: 'other', attestation }],
  ['an unknown allocation policy', { registrationId: 'bad', attestation, allocationPolicy: 'random' }],
  ['custom allocation without webhook', { registrationId: 'bad', attestation, allocationPolicy: 'custom' }],
])('an enrollment with %s: 400', async (_what, body) => {
  const answer = await dpsService(emulator, 'PUT', '/enrollments/bad', body);
  expect(answer.status).toBe(400);
  expect((await dpsService(emulator, 'GET', '/enrollments/bad')).status).toBe(404);
});

test('the attestation mechanism can be read on its own', async () => {
  await enroll(emulator, 'mechanism', tpm);
  const answer = await dpsService(emulator, 'POST', '/enrollments/mechanism/attestationmechanism');
  expect(answer.body).toEqual(attestation);
});

describe('bulk', () => {
  const bulk = (mode: string, ids: string[], more: object = {}) => ({
    mode,
    enrollments: ids.map((registrationId) => ({ registrationId, attestation, ...more })),
  });

  test('creates, updates and deletes; what fails is listed and the rest is done', async () => {
    const created = await dpsService(emulator, 'POST', '/enrollments', bulk('create', ['b1', 'b2']));
    expect(created.body).toEqual({ isSuccessful: true, errors: [] });
    const again = await dpsService(emulator, 'POST', '/enrollments', bulk('create', ['b2', 'b3']));
    expect(again.body).toMatchObject({
      isSuccessful: false,
      errors: [{ registrationId: 'b2', errorCode: 409001 }],
    });
    expect((await dpsService(emulator, 'GET', '/enrollments/b3')).status).toBe(200);
    const update = bulk('update', ['b1'], { provisioningStatus: 'disabled' });
    await dpsService(emulator, 'POST', '/enrollments', update);
    const read = await dpsService(emulator, 'GET', '/enrollments/b1');
    expect(read.body).toMatchObject({ provisioningStatus: 'disabled' });
    const stale = bulk('updateIfMatchETag', ['b1'], { etag: '"stale"' });
    expect((await dpsService(emulator, 'POST', '/enrollments', stale)).body).toMatchObject({
      errors: [{ registrationId: 'b1', errorCode: 412001 }],
    });
    const gone = await dpsService(emulator, 'POST', '/enrollments', bulk('delete', ['b1', 'b2', 'b3']));
    expect(gone.body).toEqual({ isSuccessful: true, errors: [] });
  });

  test('more than ten, or an unknown mode: 400', async () => {
    const ids = Array.from({ length: 11 }, (_, i) => `many-${i}`);
    expect((await dpsService(emulator, 'POST', '/enrollments', bulk('create', ids))).status).toBe(400);
    expect((await dpsService(emulator, 'POST', '/enrollments', bulk('replace', ['b1']))).status).toBe(400);
  });
});

test('a query gives pages with a continuation token', async () => {
  const fresh = await startEmulator();
  try {
    for (const id of ['q1', 'q2', 'q3']) await enroll(fresh, id, tpm);
    const query = { query: 'SELECT * FROM enrollments' };
    const ids = (body: unknown): string[] =>
      (body as { registrationId: string }[]).map((e) => e.registrationId);
    const first = await dpsService(fresh, 'POST', '/enrollments/query', query, {
      'x-ms-max-item-count': '2',
    });
    expect(ids(first.body)).toEqual(['q1', 'q2']);
    const token = String(first.headers['x-ms-continuation']);
    const more = { 'x-ms-max-item-count': '2', 'x-ms-continuation': token };
    const second = await dpsService(fresh, 'POST', '/enrollments/query', query, more);
    expect(ids(second.body)).toEqual(['q3']);
    expect(second.headers['x-ms-continuation']).toBeUndefined();
    const other = await dpsService(fresh, 'POST', '/enrollments/query', { query: 'DROP TABLE' });
    expect(other.status).toBe(400);
  } finally {
    await fresh.end();
  }
});

describe('who may call', () => {
  const get = async (authorization?: string): Promise<number> => {
    const { servicePort: port, ca } = emulator;
    const path = '/enrollments/x?api-version=2021-10-01';
    const headers = authorization === undefined ? {} : { authorization };
    return (await httpsCall({ host: 'localhost', port, ca, path, method: 'GET', timeoutMs: 5000, headers }))
      .status;
  };
  const token = (more: object = {}, resource = 'localhost', key = emulator.ready.policyKey): string =>
    sasToken(resource, key, { keyName: emulator.ready.policyName, ...more });

  test('a token for the host, with or without port, or for its enrollments', async () => {
    expect(await get(token())).toBe(404);
    expect(await get(token({}, `localhost:${emulator.servicePort}`))).toBe(404);
    expect(await get(token({}, 'localhost/enrollments'))).toBe(404);
  });

  test('nobody else', async () => {
    expect(await get()).toBe(401);
    expect(await get('SharedAccessSignature sr=%')).toBe(401);
    expect(await get(token({ expiresInSeconds: -1 }))).toBe(401);
    expect(await get(token({ keyName: 'other' }))).toBe(401);
    expect(await get(token({}, 'example.com'))).toBe(401);
    expect(await get(token({}, 'localhost/registrations'))).toBe(401);
    expect(await get(token({}, 'localhost', 'AAAA'))).toBe(401);
  });
});
