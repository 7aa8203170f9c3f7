import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Swtpm } from './swtpm';

const run = promisify(execFile);

/** Runs one of tpm2-tools on a software TPM. */
export async function tpm2(swtpm: Swtpm, tool: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, TPM2TOOLS_TCTI: swtpm.tcti };
  try {
    return (await run(`tpm2_${tool}`, args, { env })).stdout;
  } catch (error) {
    throw new Error(`tpm2_${tool} failed; when it is missing: apt-get install tpm2-tools`, { cause: error });
  }
}

/** Makes a primary key of `algorithm` persistent at `handle`, as another owner of the TPM might. */
export async function occupy(
  swtpm: Swtpm,
  hierarchy: 'o' | 'e',
  algorithm: string,
  handle: number,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tpe-tpm2-'));
  try {
    const context = join(folder, 'primary.ctx');
    await tpm2(swtpm, 'createprimary', '-Q', '-C', hierarchy, '-G', algorithm, '-c', context);
    await tpm2(swtpm, 'flushcontext', '-t');
    await tpm2(swtpm, 'evictcontrol', '-Q', '-C', 'o', '-c', context, `0x${handle.toString(16)}`);
    await tpm2(swtpm, 'flushcontext', '-t');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
