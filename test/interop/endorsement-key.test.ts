import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseStorageKey } from '../../src/emulator/tpm/public-area';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { withTempFolder } from '../support/temp';
import { withTpm } from '../support/tpm-fixture';
import { endorsementKeyOf, securityClient } from './support/microsoft-device';

const run = promisify(execFile);
let swtpm: Swtpm;

beforeEach(async () => {
  swtpm = await startSwtpm();
});
afterEach(async () => {
  await swtpm.stop();
});

/** tpm2-tools on the same TPM; a missing tool says how to install it. */
async function tpm2(tool: string, ...args: string[]): Promise<void> {
  try {
    await run(`tpm2_${tool}`, args, { env: { ...process.env, TPM2TOOLS_TCTI: swtpm.tcti } });
  } catch (error) {
    throw new Error(`tpm2_${tool} failed; when it is missing: apt-get install tpm2-tools`, { cause: error });
  }
}

const ourEk = async (ekTemplate?: 'tcg' | 'azure-legacy'): Promise<string> =>
  await withTpm(swtpm, async (tpm) => (await tpm.endorsementKey()).public.toString('base64'), {
    ...(ekTemplate === undefined ? {} : { ekTemplate }),
  });

test("the agent's EK is the one that tpm2_createek makes", async () => {
  await withTempFolder(async (folder) => {
    const [context, file] = [join(folder, 'ek.ctx'), join(folder, 'ek.pub')];
    await tpm2('createek', '-G', 'rsa', '-c', context, '-u', file, '-f', 'tss');
    await tpm2('flushcontext', '-t');
    const theirs = (await readFile(file)).toString('base64');
    expect(await ourEk()).toBe(theirs);
    expect(() => parseStorageKey(theirs)).not.toThrow();
  });
});

test("the agent's EK is the persistent one that tpm2_readpublic shows", async () => {
  await withTempFolder(async (folder) => {
    const file = join(folder, 'ek.pub');
    await tpm2('createek', '-G', 'rsa', '-c', '0x81010001');
    await tpm2('readpublic', '-c', '0x81010001', '-f', 'tss', '-o', file);
    expect(await ourEk()).toBe((await readFile(file)).toString('base64'));
  });
});

test("with the azure-legacy template the agent's EK is the one that Microsoft's SDK derives, and TCG's is another", async () => {
  const tcg = await ourEk();
  const legacy = await ourEk('azure-legacy');
  expect(legacy).not.toBe(tcg);
  // Their client makes its key persistent, so it comes last.
  expect(await endorsementKeyOf(securityClient(swtpm, 'legacy'))).toBe(legacy);
  // What is persistent wins over any template.
  expect(await ourEk()).toBe(legacy);
});
