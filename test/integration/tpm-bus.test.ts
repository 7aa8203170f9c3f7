import { randomBytes } from 'node:crypto';
import { openTpm } from '../../src/agent/tpm';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { authenticationKeyFor, expectNothingLeft } from '../support/tpm-fixture';
import { type TpmProxy, startTpmProxy } from '../support/tpm-proxy';
import { TPM2_CC, authPassword, hierarchyCommand } from '../support/tpm-wire';

const ACTIVATE_CREDENTIAL = 0x147;
const IMPORT = 0x156;

let swtpm: Swtpm;
beforeAll(async () => {
  swtpm = await startSwtpm();
});
afterAll(async () => await swtpm.stop());
afterEach(async () => await expectNothingLeft(swtpm));

/** Activates `blob` and gives what crossed between the agent and swtpm. */
async function recordActivation(blob: Buffer, protectBus: boolean): Promise<TpmProxy['recorded']> {
  const proxy = await startTpmProxy(swtpm);
  try {
    const tpm = await openTpm({ tcti: proxy.tcti, protectBus });
    await tpm.activateIdentityKey(blob);
    await tpm.close();
    return proxy.recorded;
  } finally {
    await proxy.stop();
  }
}

const everything = (recorded: TpmProxy['recorded']): Buffer =>
  Buffer.concat(recorded.flatMap(({ command, response }) => [command, response]));

test('the inner wrap key crosses the bus in no byte of an activation, and would be found if it did', async () => {
  const setup = await openTpm({ tcti: swtpm.tcti });
  const blob = await authenticationKeyFor(setup, randomBytes(32));
  await setup.close();

  const open = await recordActivation(blob, false);
  const answer = open.find(({ command }) => command.readUInt32BE(6) === ACTIVATE_CREDENTIAL)?.response;
  // Header, parameter size, then TPM2B_DIGEST certInfo.
  expect(answer?.readUInt16BE(14)).toBe(16);
  const innerKey = answer!.subarray(16, 32);
  const importCommand = open.find(({ command }) => command.readUInt32BE(6) === IMPORT)?.command;
  expect(importCommand?.includes(innerKey)).toBe(true);

  const guarded = await recordActivation(blob, true);
  expect(guarded.map(({ command }) => command.readUInt32BE(6))).toEqual(
    expect.arrayContaining([ACTIVATE_CREDENTIAL, IMPORT]),
  );
  expect(everything(guarded).includes(innerKey)).toBe(false);
});

test('owner and endorsement authorizations never cross the bus', async () => {
  const owner = Buffer.from('owner-secret-value');
  const endorsement = Buffer.from('endorsement-secret');
  const change = async (handle: number, from: Buffer, to: Buffer): Promise<void> => {
    const parameters = Buffer.concat([Buffer.from([0, to.length]), to]);
    const answer = await swtpm.command(
      hierarchyCommand(TPM2_CC.HierarchyChangeAuth, handle, authPassword(from), parameters),
    );
    expect(answer.readUInt32BE(6)).toBe(0);
  };
  const RH_OWNER = 0x40000001;
  const RH_ENDORSEMENT = 0x4000000b;
  await change(RH_OWNER, Buffer.alloc(0), owner);
  await change(RH_ENDORSEMENT, Buffer.alloc(0), endorsement);
  const proxy = await startTpmProxy(swtpm);
  try {
    const tpm = await openTpm({ tcti: proxy.tcti, ownerAuth: owner, endorsementAuth: endorsement });
    await tpm.activateIdentityKey(await authenticationKeyFor(tpm, randomBytes(32)));
    await tpm.close();
    expect(proxy.recorded.length).toBeGreaterThan(5);
    const bytes = everything(proxy.recorded);
    expect(bytes.includes(owner)).toBe(false);
    expect(bytes.includes(endorsement)).toBe(false);
  } finally {
    await proxy.stop();
    await change(RH_OWNER, owner, Buffer.alloc(0));
    await change(RH_ENDORSEMENT, endorsement, Buffer.alloc(0));
  }
});
