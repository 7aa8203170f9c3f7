import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type RegisterOptions, register } from '../../../src/agent/provisioning/register';
import { type Clock, systemClock } from '../../../src/common/clock';
import { isTpeError } from '../../../src/common/errors/tpe-error';
import { TrustedTime } from '../../../src/common/trusted-time';
import { selfSigned } from '../../support/certificates';
import { type Answer, ScriptedServer } from '../../support/scripted-server';
import { SoftTpm } from '../../support/tpm-double';

const RUNS = Number(process.env['TPE_FUZZ_RUNS'] ?? 80);

const folder = mkdtempSync(join(tmpdir(), 'tpe-dps-fuzz-'));
const tls = selfSigned(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Time flies while somebody waits, so that no Retry-After makes the test slow. */
function hastyClock(): Clock {
  let skipped = 0;
  return {
    now: () => Date.now() + skipped,
    monotonic: () => performance.now() + skipped,
    after: (delayMs, run) =>
      systemClock.after(Math.min(delayMs, 1), () => {
        skipped += delayMs;
        run();
      }),
  };
}

type Plain = Exclude<Answer, string>;

const good: readonly Plain[] = [
  { status: 401, body: { authenticationKey: Buffer.from('challenge').toString('base64') } },
  { status: 202, headers: { 'retry-after': '1' }, body: { operationId: '4.abc', status: 'assigning' } },
  {
    status: 200,
    body: {
      operationId: '4.abc',
      status: 'assigned',
      registrationState: {
        tpm: { authenticationKey: Buffer.from('hub key').toString('base64') },
        assignedHub: 'hub-a.azure-devices.net',
        deviceId: 'gw-1',
        status: 'assigned',
        payload: { site: 1 },
      },
    },
  },
];

/** Puts `value` where the path leads: any place of an answer may hold anything. */
function replaced(body: unknown, path: readonly number[], value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined || typeof body !== 'object' || body === null) return value;
  const names = Object.keys(body);
  const name = names[first % names.length];
  if (name === undefined) return value;
  return { ...body, [name]: replaced((body as Record<string, unknown>)[name], rest, value) };
}

const bytesOf = (answer: Plain): Buffer => Buffer.from(answer.raw ?? JSON.stringify(answer.body));

const header = fc.oneof(
  fc.constantFrom('0', '-1', '99999999999999', '1e9', 'soon', 'Mon, 23 Nov 2026 10:01:30 GMT', ' '),
  fc.stringMatching(/^[\x20-\x7e]{0,40}$/),
);

const spoiled: fc.Arbitrary<(answer: Plain) => Answer> = fc.oneof(
  fc
    .tuple(fc.array(fc.nat(9), { maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }))
    .map(([path, value]) => (answer: Plain) => ({ ...answer, body: replaced(answer.body, path, value) })),
  fc.tuple(fc.nat(2000), fc.nat(255)).map(([at, byte]) => (answer: Plain) => {
    const bytes = bytesOf(answer);
    bytes[at % bytes.length] = byte;
    return { ...answer, raw: bytes.toString('latin1') };
  }),
  fc.nat(2000).map((at) => (answer: Plain) => {
    const bytes = bytesOf(answer);
    return { ...answer, raw: bytes.subarray(0, at % bytes.length).toString() };
  }),
  fc.integer({ min: 200, max: 599 }).map((status) => (answer: Plain) => ({ ...answer, status })),
  header.map((text) => (answer: Plain) => ({ ...answer, headers: { 'retry-after': text, date: text } })),
  fc.constantFrom<Answer>('cut', 'hang').map((answer) => () => answer),
);

test('whatever DPS answers at whatever step: a registered error or a hub, and the next attempt is unharmed', async () => {
  const server = await ScriptedServer.start(tls, []);
  const attempt = async (tpm: SoftTpm, answers: readonly Answer[]) => {
    server.script(answers);
    const clock = hastyClock();
    const options: RegisterOptions = {
      host: 'localhost',
      port: server.port,
      idScope: '0ne1',
      registrationId: 'gw-1',
      ca: tls.cert,
      clock,
      time: new TrustedTime(clock),
      signal: new AbortController().signal,
      callTimeoutMs: 250,
      assignmentLimitMs: 60_000,
    };
    return register(tpm, options);
  };
  try {
    await fc.assert(
      fc.asyncProperty(fc.nat(2), fc.array(spoiled, { minLength: 1, maxLength: 2 }), async (step, spoils) => {
        const tpm = new SoftTpm();
        const answers: Answer[] = [...good];
        for (const spoil of spoils) {
          const answer = answers[step]!;
          if (typeof answer !== 'string') answers[step] = spoil(answer);
        }
        try {
          const { hub, deviceId } = await attempt(tpm, answers);
          expect(hub).toMatch(/^[A-Za-z0-9.-]+$/);
          expect(deviceId.length).toBeLessThanOrEqual(128);
        } catch (error) {
          if (!isTpeError(error)) throw error;
          expect(error.code).toMatch(/^(DPS|HTTP)_/);
          expect(error.message.length).toBeLessThan(700);
        }
        await expect(attempt(tpm, good)).resolves.toMatchObject({ deviceId: 'gw-1' });
      }),
      { numRuns: RUNS },
    );
  } finally {
    await server.stop();
  }
}, 300_000);
