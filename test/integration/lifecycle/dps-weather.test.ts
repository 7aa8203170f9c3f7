import type { FaultAction, FaultPoint } from '../../../src/emulator/faults/faults';
import { admin, dpsService, enroll, unenroll } from '../../support/lifecycle-rig';
import { waitFor } from '../../support/wait';
import { lifecycleWorld } from './world';

const world = lifecycleWorld();

test.each<[string, FaultPoint, FaultAction, string]>([
  ['closes without an answer', 'dps-challenge', { type: 'drop' }, 'HTTP_UNREACHABLE'],
  [
    'answers 429 with Retry-After',
    'dps-challenge',
    { type: 'status', status: 429, headers: { 'retry-after': '1' } },
    'DPS_THROTTLED',
  ],
  ['answers 503', 'dps-challenge', { type: 'status', status: 503 }, 'DPS_UNAVAILABLE'],
  ['answers garbage', 'dps-challenge', { type: 'garbage' }, 'DPS_ANSWER_INVALID'],
  [
    'sends a challenge damaged in its credential',
    'dps-challenge',
    { type: 'corruptBlob', field: 1 },
    'TPM_BLOB_REFUSED',
  ],
  [
    'sends a challenge damaged in its duplicate',
    'dps-challenge',
    { type: 'corruptBlob', field: 3 },
    'TPM_BLOB_REFUSED',
  ],
  ['sends a challenge for another TPM', 'dps-challenge', { type: 'wrongEk' }, 'TPM_BLOB_REFUSED'],
  ['sends a challenge with another key', 'dps-challenge', { type: 'wrongKey' }, 'DPS_TOKEN_REFUSED'],
  ['dies after the challenge', 'dps-register', { type: 'drop' }, 'HTTP_UNREACHABLE'],
  ['dies while assigning', 'dps-poll', { type: 'drop' }, 'HTTP_UNREACHABLE'],
])('DPS %s once: a clear error, and the next attempt connects', async (_name, point, action, code) => {
  world.emulator.faults.add({ point, action, times: 1 });
  const rig = await world.connected();
  expect(rig.errors).toEqual([code]);
  expect(rig.states.slice(0, 2)).toEqual(['registering', 'backingOff']);
});

test.each<[FaultAction & { type: 'result' }, string]>([
  [
    { type: 'result', status: 'failed', errorCode: 400208, errorMessage: 'No IoT hub' },
    'DPS_ASSIGNMENT_FAILED',
  ],
  [{ type: 'result', status: 'disabled' }, 'DPS_ENROLLMENT_DISABLED'],
  [{ type: 'result', status: 'unassigned' }, 'DPS_UNASSIGNED'],
])(
  'a registration that ends as $status waits for an operator, who can have it tried again',
  async (action, code) => {
    world.emulator.faults.add({ point: 'dps-register', action, times: 1 });
    const rig = await world.rig();
    await enroll(world.emulator, world.tpm, rig.registrationId);
    await rig.lifecycle.start();
    await rig.configure();
    expect((await rig.until('failed')).lastError?.code).toBe(code);
    rig.lifecycle.retry();
    await rig.until('connected');
  },
);

test('DPS sends a damaged hub key: nothing is committed, and the next one connects', async () => {
  world.emulator.faults.add({ point: 'dps-poll', action: { type: 'corruptBlob', field: 3 } });
  const rig = await world.rig({ random: () => 0.1 });
  await enroll(world.emulator, world.tpm, rig.registrationId);
  await rig.lifecycle.start();
  await rig.configure();
  expect((await rig.until('backingOff')).lastError?.code).toBe('TPM_BLOB_REFUSED');
  expect(rig.store.current().assignment).toBeUndefined();
  world.emulator.faults.clear();
  await rig.until('connected');
});

test('a cut challenge is refused before the TPM sees it', async () => {
  world.emulator.faults.add({ point: 'dps-challenge', action: { type: 'cutBlob', bytes: 100 }, times: 1 });
  const rig = await world.rig();
  await enroll(world.emulator, world.tpm, rig.registrationId);
  await rig.lifecycle.start();
  await rig.configure();
  await waitFor('the refusal', () => rig.log.some((line) => line.includes('TPM_BLOB_INVALID')));
  rig.lifecycle.retry();
  await rig.until('connected');
});

test('a registration that is cut off does not touch the hub key in use', async () => {
  const rig = await world.connected();
  const before = rig.store.current();
  world.emulator.faults.add({ point: 'dps-poll', action: { type: 'drop' } });
  rig.lifecycle.reprovision();
  await rig.until('registering');
  await rig.until('connected');
  expect(rig.store.current()).toBe(before);
  expect(rig.counts()).toMatchObject({ dpsRegisters: 2, hubConnects: 2 });
});

test('another endorsement key in the enrollment is a refusal that names what to do', async () => {
  const rig = await world.rig();
  await enroll(world.emulator, world.tpm, rig.registrationId);
  const { body } = await dpsService(world.emulator, 'GET', `/enrollments/${rig.registrationId}`);
  const other = structuredClone(body) as { etag: string; attestation: { tpm: { endorsementKey: string } } };
  const key = Buffer.from(other.attestation.tpm.endorsementKey, 'base64');
  key[key.length - 10]! ^= 1;
  other.attestation.tpm.endorsementKey = key.toString('base64');
  await dpsService(world.emulator, 'PUT', `/enrollments/${rig.registrationId}`, other, {
    'If-Match': other.etag,
  });
  await rig.lifecycle.start();
  await rig.configure();
  const status = await waitFor('the refusal', () => {
    const { lastError } = rig.lifecycle.status();
    return lastError;
  });
  expect(['DPS_REFUSED', 'TPM_BLOB_REFUSED', 'DPS_TOKEN_REFUSED']).toContain(status.code);
  expect(status.advice).not.toBe('');
});

test('an enrollment that is deleted and made again', async () => {
  const rig = await world.connected();
  await unenroll(world.emulator, rig.registrationId);
  rig.lifecycle.reprovision();
  await waitFor('DPS to refuse', () => rig.log.some((line) => line.includes('DPS_ENROLLMENT_NOT_FOUND')));
  await rig.until('connected');
  await enroll(world.emulator, world.tpm, rig.registrationId);
  rig.lifecycle.reprovision();
  await waitFor('the second registration', () => rig.lifecycle.status().counters.registrations === 3);
  await rig.until('connected');
});

test('a disabled enrollment is told, and found enabled again', async () => {
  const rig = await world.rig();
  await enroll(world.emulator, world.tpm, rig.registrationId, { provisioningStatus: 'disabled' });
  await rig.lifecycle.start();
  await rig.configure();
  expect((await rig.until('failed')).lastError?.code).toMatch(/^DPS_/);
  await enroll(world.emulator, world.tpm, rig.registrationId);
  rig.lifecycle.retry();
  await rig.until('connected');
});

test('DPS is down: back-off, and connected when it is up again', async () => {
  await admin(world.emulator, 'PATCH', '/settings', { dpsListening: false });
  const rig = await world.rig({ random: () => 0.05 });
  await enroll(world.emulator, world.tpm, rig.registrationId);
  await rig.lifecycle.start();
  await rig.configure();
  expect((await rig.until('backingOff')).lastError?.code).toBe('HTTP_UNREACHABLE');
  await admin(world.emulator, 'PATCH', '/settings', { dpsListening: true });
  await rig.until('connected');
});

test('a gateway that is two hours behind registers and connects with the time of DPS', async () => {
  world.emulator.clock.offsetMs = 2 * 3600_000;
  const rig = await world.connected();
  expect(rig.lifecycle.status().counters.registrations).toBe(1);
});

test('a clock before the build date waits and says why; connected once the time is set', async () => {
  const rig = await world.rig({ builtAtMs: Date.now() + 2000 });
  await enroll(world.emulator, world.tpm, rig.registrationId);
  await rig.lifecycle.start();
  await rig.configure();
  expect((await rig.until('waitingForTime')).lastError?.code).toBe('CLOCK_NOT_SET');
  expect(rig.counts()['dpsChallenges']).toBe(0);
  await rig.until('connected');
});
