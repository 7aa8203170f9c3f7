import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../../src/common/clock';
import { TrustedTime } from '../../../src/common/trusted-time';
import { type RegisterOptions, register } from '../../../src/agent/provisioning/register';
import { selfSigned } from '../../support/certificates';
import { type Answer, ScriptedServer } from '../../support/scripted-server';
import { SoftTpm } from '../../support/tpm-double';

let folder: string;
let tls: { key: string; cert: string };
let server: ScriptedServer | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-dps-'));
  tls = selfSigned(folder);
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const challengeKey = Buffer.from('challenge key');
const hubKey = Buffer.from('hub key');
const challenge: Answer = {
  status: 401,
  body: {
    message: 'Authorization required, resend request using supplied key',
    authenticationKey: challengeKey.toString('base64'),
    unencryptedAuthenticationKey: null,
    keyName: 'registration',
  },
};
const assigning: Answer = {
  status: 202,
  headers: { 'retry-after': '0' },
  body: { operationId: '4.abc', status: 'assigning' },
};
const registrationState = {
  tpm: { authenticationKey: hubKey.toString('base64') },
  registrationId: 'gw-1',
  assignedHub: 'hub-a.azure-devices.net',
  deviceId: 'gw-1',
  status: 'assigned',
  substatus: 'initialAssignment',
};
const assigned: Answer = {
  status: 200,
  body: { operationId: '4.abc', status: 'assigned', registrationState },
};

async function attempt(answers: Answer[], overrides: Partial<RegisterOptions> = {}, tpm = new SoftTpm()) {
  server = await ScriptedServer.start(tls, [...answers]);
  return register(tpm, {
    host: 'localhost',
    port: server.port,
    idScope: '0ne1',
    registrationId: 'gw-1',
    ca: tls.cert,
    clock: systemClock,
    time: new TrustedTime(systemClock),
    signal: new AbortController().signal,
    ...overrides,
  });
}

test('challenge, proof, polling and hub key: the whole registration', async () => {
  const registration = await attempt([challenge, assigning, assigning, assigned]);
  expect(registration).toMatchObject({
    hub: 'hub-a.azure-devices.net',
    deviceId: 'gw-1',
    substatus: 'initialAssignment',
    key: { private: hubKey },
  });
  const [first, second, third] = server!.seen;
  expect(first).toMatchObject({
    method: 'PUT',
    path: '/0ne1/registrations/gw-1/register?api-version=2021-06-01',
    authorization: undefined,
    body: {
      registrationId: 'gw-1',
      tpm: { endorsementKey: Buffer.from('EK public').toString('base64') },
    },
  });
  const token = /^SharedAccessSignature sr=(.+)&sig=(.+)&se=(\d+)&skn=registration$/.exec(
    second!.authorization!,
  );
  expect(decodeURIComponent(token![1]!)).toBe('0ne1/registrations/gw-1');
  expect(decodeURIComponent(token![2]!)).toBe(
    createHmac('sha256', challengeKey).update(`${token![1]}\n${token![3]}`).digest('base64'),
  );
  expect(third).toMatchObject({
    method: 'GET',
    path: '/0ne1/registrations/gw-1/operations/4.abc?api-version=2021-06-01',
  });
});

test('the payload of a custom allocation travels both ways', async () => {
  const answer: Answer = {
    status: 200,
    body: {
      operationId: '4.abc',
      status: 'assigned',
      registrationState: { ...registrationState, payload: { site: 'Kaohsiung' } },
    },
  };
  const registration = await attempt([challenge, assigning, answer], { payload: { model: 'UC-8112A' } });
  expect(registration.payload).toEqual({ site: 'Kaohsiung' });
  expect(server!.seen.slice(0, 2).map((seen) => seen.body)).toEqual([
    expect.objectContaining({ payload: { model: 'UC-8112A' } }),
    expect.objectContaining({ payload: { model: 'UC-8112A' } }),
  ]);
});

test('a hub assigned at once needs no poll', async () => {
  await expect(attempt([challenge, assigned])).resolves.toMatchObject({ deviceId: 'gw-1' });
});

const refusal = (errorCode: number, message: string) => ({ errorCode, trackingId: 't-1', message });

test.each<[string, Answer[], object]>([
  [
    'a 401 without a key is a refusal',
    [{ status: 401, body: refusal(401002, 'Unauthorized') }],
    { code: 'DPS_REFUSED', retryable: false, details: { errorCode: 401002, trackingId: 't-1' } },
  ],
  [
    'another endorsement key than the enrollment has',
    [{ status: 400, body: refusal(400004, 'Endorsement key is invalid, or does not match the Enrollment.') }],
    { code: 'DPS_REFUSED', retryable: false, details: { errorCode: 400004 } },
  ],
  [
    'no enrollment',
    [{ status: 404, body: refusal(404201, 'Not found') }],
    { code: 'DPS_ENROLLMENT_NOT_FOUND', retryable: false },
  ],
  [
    '429 with Retry-After in seconds',
    [{ status: 429, headers: { 'retry-after': '7' }, body: {} }],
    { code: 'DPS_THROTTLED', retryable: true, details: { retryAfterSec: 7 } },
  ],
  [
    '429 with Retry-After as a date, told by the clock of the server',
    [
      {
        status: 429,
        headers: {
          date: 'Mon, 23 Nov 2026 10:00:00 GMT',
          'retry-after': 'Mon, 23 Nov 2026 10:01:30 GMT',
        },
        body: {},
      },
    ],
    { code: 'DPS_THROTTLED', retryable: true, details: { retryAfterSec: 90 } },
  ],
  [
    '429 without Retry-After',
    [{ status: 429, body: {} }],
    { code: 'DPS_THROTTLED', details: { retryAfterSec: 30 } },
  ],
  ['500', [{ status: 500, body: {} }], { code: 'DPS_UNAVAILABLE', retryable: true }],
  [
    '503 with an HTML page and Retry-After',
    [{ status: 503, headers: { 'retry-after': '3' }, raw: '<html>' }],
    { code: 'DPS_UNAVAILABLE', details: { retryAfterSec: 3 } },
  ],
  [
    'a captive portal that answers 200 with HTML',
    [{ status: 200, raw: '<html>Welcome to the hotel</html>' }],
    { code: 'DPS_ANSWER_INVALID', retryable: true },
  ],
  [
    'a redirect',
    [{ status: 302, headers: { location: 'https://portal.example' } }],
    { code: 'DPS_ANSWER_INVALID', retryable: true },
  ],
  [
    'a challenge that is not base64',
    [{ status: 401, body: { authenticationKey: 'not base64!' } }],
    { code: 'DPS_ANSWER_INVALID' },
  ],
  ['the server closes without an answer', ['cut'], { code: 'HTTP_UNREACHABLE', retryable: true }],
  ['silence', ['hang'], { code: 'HTTP_TIMEOUT', retryable: true }],
  ['silence after the challenge', [challenge, 'hang'], { code: 'HTTP_TIMEOUT', retryable: true }],
  ['DPS dies after the challenge', [challenge, 'cut'], { code: 'HTTP_UNREACHABLE', retryable: true }],
  ['DPS dies while polling', [challenge, assigning, 'cut'], { code: 'HTTP_UNREACHABLE', retryable: true }],
  [
    'the proof is not accepted',
    [challenge, { status: 401, body: refusal(401002, 'SAS expired') }],
    { code: 'DPS_TOKEN_REFUSED', retryable: true },
  ],
  [
    'failed: no hub to assign',
    [
      challenge,
      assigning,
      {
        status: 200,
        body: {
          operationId: '4.abc',
          status: 'failed',
          registrationState: { status: 'failed', errorCode: 400208, errorMessage: 'No IoT hub' },
        },
      },
    ],
    { code: 'DPS_ASSIGNMENT_FAILED', retryable: false, details: { errorCode: 400208, reason: 'No IoT hub' } },
  ],
  [
    'disabled',
    [challenge, { status: 200, body: { operationId: '4.abc', status: 'disabled' } }],
    { code: 'DPS_ENROLLMENT_DISABLED', retryable: false },
  ],
  [
    'unassigned',
    [challenge, { status: 200, body: { operationId: '4.abc', status: 'unassigned' } }],
    { code: 'DPS_UNASSIGNED', retryable: false },
  ],
  [
    'an unknown status',
    [challenge, { status: 200, body: { operationId: '4.abc', status: 'thinking' } }],
    { code: 'DPS_ANSWER_INVALID' },
  ],
  [
    'assigning without operationId',
    [challenge, { status: 202, body: { status: 'assigning' } }],
    { code: 'DPS_ANSWER_INVALID' },
  ],
  [
    'assigned without a hub',
    [
      challenge,
      {
        status: 200,
        body: { operationId: '4.abc', status: 'assigned', registrationState: { deviceId: 'gw-1' } },
      },
    ],
    { code: 'DPS_ANSWER_INVALID' },
  ],
  [
    'a hub name that smuggles a path',
    [
      challenge,
      {
        status: 200,
        body: {
          operationId: '4.abc',
          status: 'assigned',
          registrationState: { ...registrationState, assignedHub: 'rogue.example/?x=' },
        },
      },
    ],
    { code: 'DPS_ANSWER_INVALID' },
  ],
  [
    'an endless answer',
    [{ status: 401, raw: `{"authenticationKey":"${'A'.repeat(100_000)}"}` }],
    { code: 'HTTP_BODY_TOO_LARGE' },
  ],
])('%s: a registered error, and the next attempt is unharmed', async (_name, answers, expected) => {
  const tpm = new SoftTpm();
  await expect(attempt(answers, { callTimeoutMs: 300 }, tpm)).rejects.toMatchObject(expected);
  await server!.stop();
  await expect(attempt([challenge, assigned], {}, tpm)).resolves.toMatchObject({ deviceId: 'gw-1' });
});

test('a throttled poll is repeated instead of thrown away', async () => {
  const throttled: Answer = { status: 429, headers: { 'retry-after': '0' }, body: {} };
  await expect(attempt([challenge, assigning, throttled, assigned])).resolves.toMatchObject({
    deviceId: 'gw-1',
  });
}, 15_000);

test('Retry-After 0 is believed once; each further poll waits twice as long as the one before', async () => {
  const waits: number[] = [];
  // It stands still, so that a wait is exactly what was planned.
  const clock: Clock = {
    now: () => Date.now(),
    monotonic: () => 1000,
    after: (delayMs, run) => {
      waits.push(delayMs);
      return systemClock.after(0, run);
    },
  };
  await attempt([challenge, ...Array.from({ length: 9 }, () => assigning), assigned], { clock });
  expect(waits).toEqual([0, 5, 10, 20, 40, 80, 160, 320, 640]);
});

test('an assignment that never ends is given up', async () => {
  const forever = Array.from({ length: 200 }, () => assigning);
  await expect(attempt([challenge, ...forever], { assignmentLimitMs: 200 })).rejects.toMatchObject({
    code: 'DPS_ASSIGNMENT_SLOW',
    retryable: true,
  });
});

const muchLater = { 'retry-after': '3600' };
test.each<[string, Answer[]]>([
  [
    'an assignment',
    [{ status: 202, headers: muchLater, body: { operationId: '4.abc', status: 'assigning' } }],
  ],
  ['a throttle', [assigning, { status: 429, headers: muchLater, body: {} }]],
])(
  '%s that asks for more patience than there is ends the attempt at once, and the wait is kept',
  async (_, answers) => {
    await expect(attempt([challenge, ...answers])).rejects.toMatchObject({
      code: 'DPS_ASSIGNMENT_SLOW',
      retryable: true,
      details: { retryAfterSec: 3600 },
    });
  },
);

test('a TPM that refuses the challenge ends the attempt with the error of the TPM', async () => {
  const tpm = new SoftTpm();
  tpm.failing.set('activateIdentityKey', 1);
  await expect(attempt([challenge], {}, tpm)).rejects.toMatchObject({ code: 'INTERNAL' });
});

test('a hub key that cannot sign is refused before anything is committed', async () => {
  const tpm = new SoftTpm();
  const activate = tpm.activateIdentityKey.bind(tpm);
  let calls = 0;
  tpm.activateIdentityKey = async (blob) => {
    calls += 1;
    const key = await activate(blob);
    return calls === 2 ? { ...key, public: Buffer.from('damaged') } : key;
  };
  await expect(attempt([challenge, assigned], {}, tpm)).rejects.toMatchObject({ code: 'DPS_KEY_UNPROVEN' });
});

test('the certificate of a captive portal is refused and named', async () => {
  await expect(attempt([challenge], { ca: selfSigned(folder, 'other').cert })).rejects.toMatchObject({
    code: 'HTTP_TLS_REFUSED',
    retryable: true,
  });
});

test('a host that is not there', async () => {
  await expect(attempt([challenge], { host: 'no-such-host.invalid' })).rejects.toMatchObject({
    code: 'HTTP_UNREACHABLE',
    retryable: true,
  });
});

test('an attempt that is called off ends at once, also while it waits to poll', async () => {
  const abort = new AbortController();
  const slow: Answer = {
    ...(assigning as object),
    status: 202,
    headers: { 'retry-after': '3600' },
    body: { operationId: '4.abc', status: 'assigning' },
  };
  const running = attempt([challenge, slow], { signal: abort.signal });
  setTimeout(() => abort.abort(), 300);
  await expect(running).rejects.toBeDefined();
});

test('a clock two hours behind is put right by the Date header of DPS', async () => {
  const behind = { ...systemClock, now: () => Date.now() - 2 * 3600_000 };
  const time = new TrustedTime(behind);
  await attempt([challenge, assigned], { clock: behind, time });
  const expiry = Number(/&se=(\d+)/.exec(server!.seen[1]!.authorization!)![1]);
  expect(expiry).toBeGreaterThan(Date.now() / 1000 + 3500);
});
