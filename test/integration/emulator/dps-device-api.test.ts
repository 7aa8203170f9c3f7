import {
  dpsDevice,
  dpsService,
  enroll,
  proveTpm,
  registerSoftly,
  sasToken,
} from '../../support/azure-client';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { newSoftTpm } from '../../support/soft-tpm';

const tpm = newSoftTpm();
const stranger = newSoftTpm();
let emulator: TestEmulator;
let lastId = 0;

/** A fresh registration ID, so that tests share an emulator but no state. */
const newId = (): string => `device-${(lastId += 1)}`;

beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(async () => {
  await emulator.end();
});
afterEach(() => {
  emulator.faults.clear();
  emulator.clock.offsetMs = 0;
  emulator.settings.registrationsPerMinute = 1000;
  emulator.settings.assignmentDelayMs = 0;
});

const keys = { endorsementKey: tpm.endorsementKey, storageRootKey: tpm.storageRootKey };

test('a TPM device is challenged, registers, polls and gets its hub key', async () => {
  const id = newId();
  await enroll(emulator, id, tpm);
  const { challenge } = await proveTpm(emulator, id, tpm);
  expect(challenge.status).toBe(401);
  expect(challenge.body).toEqual({
    message: 'Authorization required, resend request using supplied key',
    authenticationKey: expect.any(String) as unknown,
    unencryptedAuthenticationKey: null,
    keyName: 'registration',
  });

  const { state, hubKey } = await registerSoftly(emulator, id, tpm);
  expect(state).toMatchObject({
    status: 'assigned',
    substatus: 'initialAssignment',
    assignedHub: emulator.ready.hubHostName,
    deviceId: id,
  });
  const device = emulator.hubs.get(state.assignedHub)?.devices.get(id);
  expect(hubKey?.toString('base64')).toBe(device?.primaryKey);
});

test('the answer to a registration is 202 with Location, Retry-After and the operation', async () => {
  const id = newId();
  await enroll(emulator, id, tpm);
  emulator.settings.assignmentDelayMs = 60_000;
  const { token } = await proveTpm(emulator, id, tpm);
  const headers = { authorization: token };
  const started = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, { tpm: keys }, headers);
  expect(started.status).toBe(202);
  expect(started.headers['retry-after']).toBe('0');
  const { operationId } = started.body as { operationId: string };
  expect(started.body).toEqual({ operationId, status: 'assigning' });
  expect(started.headers.location).toContain(`/registrations/${id}/operations/${operationId}`);

  const polled = await dpsDevice(
    emulator,
    'GET',
    `/registrations/${id}/operations/${operationId}`,
    undefined,
    headers,
  );
  expect(polled.status).toBe(202);
  expect(polled.body).toEqual({
    operationId,
    status: 'assigning',
    registrationState: { registrationId: id, status: 'assigning' },
  });
});

test('a client that leaves the TPM keys out of the second request is served as well', async () => {
  const id = newId();
  await enroll(emulator, id, tpm);
  const { token } = await proveTpm(emulator, id, tpm);
  const body = { registrationId: id };
  const started = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, body, {
    authorization: token,
  });
  expect(started.status).toBe(202);
});

describe('refusals', () => {
  const refused = (status: number, errorCode: number): object => ({
    status,
    body: {
      errorCode,
      trackingId: expect.any(String) as unknown,
      message: expect.any(String) as unknown,
      timestampUtc: expect.any(String) as unknown,
    },
  });

  test('no enrollment: 404', async () => {
    const answer = await dpsDevice(emulator, 'PUT', '/registrations/nobody/register', { tpm: keys });
    expect(answer).toMatchObject(refused(404, 404201));
  });

  test("an enrollment with another TPM's EK: 400004 without a challenge", async () => {
    const id = newId();
    await enroll(emulator, id, stranger);
    const answer = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, { tpm: keys });
    expect(answer).toMatchObject(refused(400, 400004));
    expect(answer.body).not.toHaveProperty('authenticationKey');
  });

  test.each([
    ['empty', ''],
    ['not base64', '!!!'],
    ['cut', tpm.endorsementKey.slice(0, 100)],
    ['an ECC key', Buffer.from('000400230004', 'hex').toString('base64')],
  ])('a storage root key that is %s: 400', async (_what, storageRootKey) => {
    const id = newId();
    await enroll(emulator, id, tpm);
    const body = { tpm: { endorsementKey: tpm.endorsementKey, storageRootKey } };
    const answer = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, body);
    expect(answer.status).toBe(400);
  });

  test.each([
    ['not JSON', '{"tpm":', 400],
    ['an array', '[]', 400],
    ['null', 'null', 400],
    ['without TPM and token', '{}', 400],
    ['with keys of the wrong type', '{"tpm":{"endorsementKey":1,"storageRootKey":2}}', 400],
    ['of another registration', '{"registrationId":"other"}', 400],
  ])('a body that is %s: 400', async (_what, body, status) => {
    const id = newId();
    await enroll(emulator, id, tpm);
    const headers = { 'content-type': 'application/json' };
    const answer = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, body, headers);
    expect(answer.status).toBe(status);
  });

  test('another content type: 415', async () => {
    const headers = { 'content-type': 'text/xml' };
    const answer = await dpsDevice(emulator, 'PUT', '/registrations/x/register', '<a/>', headers);
    expect(answer).toMatchObject(refused(415, 415001));
  });

  test('another ID scope: 404, a bad registration ID: 400, another method: 405', async () => {
    const scope = { ...emulator, ready: { ...emulator.ready, idScope: '0ne00000000' } };
    expect((await dpsDevice(scope, 'PUT', '/registrations/x/register', { tpm: keys })).status).toBe(404);
    const bad = await dpsDevice(emulator, 'PUT', '/registrations/a%20b/register', { tpm: keys });
    expect(bad).toMatchObject(refused(400, 400001));
    expect(await dpsDevice(emulator, 'DELETE', '/registrations/x')).toMatchObject(refused(405, 405001));
  });

  test.each<[string, (id: string, good: string) => string]>([
    ['garbage', () => 'Bearer x'],
    [
      'of another key',
      (id) => sasToken(`${emulator.ready.idScope}/registrations/${id}`, 'AAAA', { keyName: 'registration' }),
    ],
    [
      'for another registration',
      (_id, good) => good.replace(/registrations%2F[^&]+/, 'registrations%2Fother'),
    ],
    ['without skn', (_id, good) => good.replace('&skn=registration', '')],
    [
      'with a changed expiry',
      (_id, good) => good.replace(/se=(\d+)/, (_m, se: string) => `se=${Number(se) + 1}`),
    ],
    ['with two expiries', (_id, good) => `${good}&se=99999999999`],
  ])('a token %s: 401 without a new challenge', async (_what, spoil) => {
    const id = newId();
    await enroll(emulator, id, tpm);
    const { token } = await proveTpm(emulator, id, tpm);
    const headers = { authorization: spoil(id, token) };
    const answer = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, { tpm: keys }, headers);
    expect(answer).toMatchObject(refused(401, 401002));
    expect(answer.body).not.toHaveProperty('authenticationKey');
  });

  test('an expired token: 401, and so it is when the clock of the service is ahead', async () => {
    const id = newId();
    await enroll(emulator, id, tpm);
    const { token } = await proveTpm(emulator, id, tpm);
    emulator.clock.offsetMs = 3_601_000;
    const headers = { authorization: token };
    const answer = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, { tpm: keys }, headers);
    expect(answer).toMatchObject(refused(401, 401002));
  });

  test('an operation of another device: 404', async () => {
    const [id, other] = [newId(), newId()];
    await enroll(emulator, id, tpm);
    await enroll(emulator, other, stranger);
    const { token } = await proveTpm(emulator, id, tpm);
    const headers = { authorization: token };
    const started = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, { tpm: keys }, headers);
    const { operationId } = started.body as { operationId: string };
    const theirs = { authorization: (await proveTpm(emulator, other, stranger)).token };
    const path = `/registrations/${other}/operations/${operationId}`;
    expect(await dpsDevice(emulator, 'GET', path, undefined, theirs)).toMatchObject(refused(404, 404203));
  });

  test('more registrations a minute than allowed: 429 with Retry-After', async () => {
    const id = newId();
    await enroll(emulator, id, tpm);
    emulator.settings.registrationsPerMinute = 1;
    await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, { tpm: keys });
    const answer = await dpsDevice(emulator, 'PUT', `/registrations/${id}/register`, { tpm: keys });
    expect(answer).toMatchObject(refused(429, 429001));
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60);
  });
});

test('a disabled enrollment ends as disabled, an enabled one again as assigned', async () => {
  const id = newId();
  await enroll(emulator, id, tpm, { provisioningStatus: 'disabled' });
  expect((await registerSoftly(emulator, id, tpm)).state.status).toBe('disabled');
  const body = {
    registrationId: id,
    attestation: { type: 'tpm', tpm: { endorsementKey: tpm.endorsementKey } },
  };
  await dpsService(emulator, 'PUT', `/enrollments/${id}`, body, { 'if-match': '*' });
  expect((await registerSoftly(emulator, id, tpm)).state.status).toBe('assigned');
});

test('the status look-up tells the registration to a device that proves itself, and nobody else', async () => {
  const id = newId();
  await enroll(emulator, id, tpm);
  await registerSoftly(emulator, id, tpm);
  const { token } = await proveTpm(emulator, id, tpm);
  const answer = await dpsDevice(emulator, 'POST', `/registrations/${id}`, {}, { authorization: token });
  expect(answer.body).toMatchObject({ registrationId: id, status: 'assigned' });
  expect((await dpsDevice(emulator, 'POST', `/registrations/${id}`, {})).status).toBe(401);
});

test('requests are counted by registration ID', async () => {
  const id = newId();
  await enroll(emulator, id, tpm);
  const { polls } = await registerSoftly(emulator, id, tpm);
  expect(emulator.counters.of(id.toUpperCase())).toMatchObject({
    dpsChallenges: 1,
    dpsRegisters: 1,
    dpsPolls: polls,
  });
});
