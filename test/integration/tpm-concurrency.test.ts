import { execFile } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type WrappedKey, openTpm } from '../../src/agent/tpm';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { startTpmDevice } from '../support/tpm-device';
import { authenticationKeyFor, expectNothingLeft, withTpm } from '../support/tpm-fixture';
import { startTpmProxy } from '../support/tpm-proxy';

const run = promisify(execFile);
const addon = join(__dirname, '../../dist/tpe_tpm.node');
const program = join(__dirname, '../support/tpm-child.cjs');
const secret = randomBytes(32);
const data = Buffer.from('data');
const expected = createHmac('sha256', secret).update(data).digest();

let swtpm: Swtpm;
let key: WrappedKey;
beforeAll(async () => {
  swtpm = await startSwtpm();
  key = await withTpm(
    swtpm,
    async (tpm) => await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret)),
  );
});
afterAll(async () => await swtpm.stop());
afterEach(async () => {
  // A child that was cut off may leave its objects; whoever opens the TPM next flushes them.
  await withTpm(swtpm, async (tpm) => await tpm.info());
  await expectNothingLeft(swtpm);
});

async function child(
  scenario: string,
  tcti = swtpm.tcti,
  flags: string[] = [],
): Promise<{ said: Record<string, unknown>; endedAt: number }> {
  const keys = [key.public.toString('base64'), key.private.toString('base64')];
  const { stdout, stderr } = await run(
    process.execPath,
    [...flags, program, addon, tcti, scenario, ...keys],
    {
      timeout: 30_000,
    },
  );
  expect(stderr).toBe('');
  return { said: JSON.parse(stdout) as Record<string, unknown>, endedAt: Date.now() };
}

test('a thousand overlapping signs all give the right signature, between other calls', async () => {
  await withTpm(swtpm, async (tpm) => {
    await tpm.loadIdentityKey(key);
    const signs = Array.from({ length: 1000 }, async () => await tpm.sign(data));
    const others = [tpm.info(), tpm.endorsementKey(), tpm.signWith(key, data), tpm.random(64)];
    for (const signature of await Promise.all(signs)) expect(signature).toEqual(expected);
    await Promise.all(others);
    await expectNothingLeft(swtpm, 1);
  });
});

test('more calls than the queue holds are refused as retryable, the others succeed', async () => {
  await withTpm(
    swtpm,
    async (tpm) => {
      await tpm.loadIdentityKey(key);
      // So many that a TPM which answers while this process waits for a core cannot keep up.
      const outcomes = await Promise.allSettled(
        Array.from({ length: 1000 }, async () => await tpm.sign(data)),
      );
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(refused.length).toBeGreaterThan(20);
      expect(outcomes.length - refused.length).toBeGreaterThanOrEqual(8);
      for (const { reason } of refused) {
        expect(reason).toMatchObject({ code: 'TPM_QUEUE_FULL', retryable: true });
      }
    },
    { queueLimit: 8 },
  );
});

test('close with work in flight does the work, and calls after it are refused', async () => {
  const tpm = await openTpm({ tcti: swtpm.tcti });
  await tpm.loadIdentityKey(key);
  const signs = Array.from({ length: 100 }, async () => await tpm.sign(data));
  const closed = tpm.close();
  await expect(tpm.sign(data)).rejects.toMatchObject({ code: 'TPM_CLOSED' });
  for (const signature of await Promise.all(signs)) expect(signature).toEqual(expected);
  await closed;
  await tpm.close();
  await expectNothingLeft(swtpm);
});

test('close while the TPM is silent ends in under three seconds and rejects what waits', async () => {
  const proxy = await startTpmProxy(swtpm);
  try {
    const tpm = await openTpm({ tcti: proxy.tcti });
    proxy.onCommand = () => 'silent';
    const waiting = tpm.random(8);
    const refused = expect(waiting).rejects.toMatchObject({ code: 'TPM_CLOSED' });
    const before = Date.now();
    await tpm.close();
    await refused;
    expect(Date.now() - before).toBeLessThan(3000);
  } finally {
    await proxy.stop();
  }
});

test('the process exits cleanly with a thousand calls queued, again and again', async () => {
  for (let i = 0; i < 5; i++) expect((await child('exitWithWork')).said).toEqual({ signed: 20 });
});

test('the process exits at once while the TPM is silent', async () => {
  const proxy = await startTpmProxy(swtpm);
  try {
    proxy.onCommand = () => 'silent';
    const { said, endedAt } = await child('exitWhileStuck', proxy.tcti);
    expect(endedAt - Number(said['exitingAt'])).toBeLessThan(1500);
  } finally {
    await proxy.stop();
  }
});

test('a process with nothing left to do ends without closing the TPM', async () => {
  expect((await child('fallThrough')).said).toEqual({ signature: expected.toString('hex') });
});

test('TPM objects that nobody holds any more end their threads', async () => {
  expect((await child('garbage', swtpm.tcti, ['--expose-gc'])).said).toEqual({ rounds: 20 });
});

test('a system that gives no further thread is an error, not the end of the process', async () => {
  expect((await child('noThread')).said).toEqual({
    kind: 'internal',
    reason: 'the system gives no further thread',
  });
});

test('worker threads that are terminated in the middle of signing take nobody with them', async () => {
  const { said } = await child('workers');
  expect(said).toEqual({ outcome: Array.from({ length: 12 }, () => expected.toString('hex')) });
});

test('a TPM device that falls silent is reported in time and used again when it answers', async () => {
  const device = await startTpmDevice(swtpm);
  try {
    const tpm = await openTpm({ tcti: device.tcti, commandTimeoutMs: 400 });
    try {
      await tpm.loadIdentityKey(key);
      expect(await tpm.sign(data)).toEqual(expected);
      await device.silence();
      const before = Date.now();
      await expect(tpm.sign(data)).rejects.toMatchObject({
        code: 'TPM_TIMEOUT',
        retryable: true,
        details: { command: 'TPM2_HMAC' },
      });
      expect(Date.now() - before).toBeLessThan(5000);
      await device.answer();
      expect(await tpm.sign(data)).toEqual(expected);
    } finally {
      await tpm.close();
    }
  } finally {
    await device.stop();
  }
});

test('the event loop stays free while the TPM works', async () => {
  await withTpm(swtpm, async (tpm) => {
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 1);
    const before = Date.now();
    for (let i = 0; i < 3; i++) await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret));
    const elapsed = Date.now() - before;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(elapsed / 20);
  });
});
