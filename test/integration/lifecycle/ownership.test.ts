import { openTpm } from '../../../src/agent/tpm';
import { admin } from '../../support/lifecycle-rig';
import { startSwtpm } from '../../support/swtpm';
import { RH, TPM2_CC, authPassword, hierarchyCommand } from '../../support/tpm-wire';
import { waitFor } from '../../support/wait';
import { lifecycleWorld } from './world';

const world = lifecycleWorld();

async function send(code: number, handle: number, auth: Buffer, parameters = Buffer.alloc(0)): Promise<void> {
  const answer = await world.swtpm.command(hierarchyCommand(code, handle, authPassword(auth), parameters));
  expect(answer.readUInt32BE(6)).toBe(0);
}

async function changeOwnerAuth(from: Buffer, to: Buffer): Promise<void> {
  await send(TPM2_CC.HierarchyChangeAuth, RH.owner, from, Buffer.concat([Buffer.from([0, to.length]), to]));
}

test('TPM2_Clear while connected: the next token cannot be signed, and the gateway registers again by itself', async () => {
  const rig = await world.connected();
  world.emulator.counters.reset();
  await send(TPM2_CC.Clear, RH.lockout, Buffer.alloc(0));
  await admin(world.emulator, 'POST', `/devices/${rig.registrationId}/disconnect`);
  await waitFor('the second connection', () => rig.lifecycle.status().counters.connects === 2, 30_000);
  await rig.until('connected');
  expect(rig.errors).toContain('TPM_KEY_REFUSED');
  expect(rig.counts()).toMatchObject({ dpsRegisters: 1 });
});

test('a new owner authorization: the state asks for it, nobody registers again, and it connects once it is given', async () => {
  const owner = Buffer.from('owner');
  const rig = await world.connected();
  await rig.lifecycle.stop();
  await world.tpm.close();
  await changeOwnerAuth(Buffer.alloc(0), owner);
  try {
    world.tpm = await openTpm({ tcti: world.swtpm.tcti });
    world.emulator.counters.reset();
    const again = await world.restarted(rig);
    const waiting = await again.until('backingOff');
    expect(waiting.lastError).toMatchObject({
      code: 'TPM_OWNER_AUTHORIZATION',
      advice: expect.stringContaining('tpm-owner-auth') as string,
    });
    await world.tpm.setAuthorizations({ owner });
    again.lifecycle.retry();
    await again.until('connected');
    expect(again.counts()).toMatchObject({ dpsChallenges: 0, dpsRegisters: 0, hubConnects: 1 });
  } finally {
    await world.tpm.close();
    await changeOwnerAuth(owner, Buffer.alloc(0));
  }
});

test('a TPM swapped for another is an alarm: no key of it goes to DPS', async () => {
  const rig = await world.connected();
  await rig.lifecycle.stop();
  const other = await startSwtpm();
  const stranger = await openTpm({ tcti: other.tcti, expectedEkName: rig.store.expectedEkName()! });
  const own = world.tpm;
  try {
    world.tpm = stranger;
    world.emulator.counters.reset();
    const again = await world.restarted(rig);
    const failed = await again.until('failed');
    expect(failed.lastError).toMatchObject({ code: 'TPM_EK_CHANGED' });
    expect(again.counts()).toMatchObject({ dpsChallenges: 0, dpsRegisters: 0, hubConnects: 0 });
    await again.lifecycle.stop();
  } finally {
    world.tpm = own;
    await stranger.close();
    await other.stop();
  }
});
