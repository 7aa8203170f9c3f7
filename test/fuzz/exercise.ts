// Drives the addon hard on a software TPM of its own; run by run.sh with an addon that carries sanitizers.
import { createHmac, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { openTpm } from '../../src/agent/tpm';
import { startSwtpm } from '../support/swtpm';
import { authenticationKeyFor } from '../support/tpm-fixture';

const SIGNS = Number(process.env['TPE_SIGNS'] ?? 10_000);
const ACTIVATIONS = Number(process.env['TPE_ACTIVATIONS'] ?? 100);
const BATCH = 500;

async function main(): Promise<void> {
  const swtpm = await startSwtpm();
  try {
    const tpm = await openTpm({ tcti: swtpm.tcti });
    const secret = randomBytes(32);
    const blob = await authenticationKeyFor(tpm, secret);
    const seed = process.env['TPE_SEED_FILE'];
    if (seed !== undefined) await writeFile(seed, blob);
    await tpm.loadIdentityKey(await tpm.activateIdentityKey(blob));
    const data = Buffer.from('data to sign');
    const expected = createHmac('sha256', secret).update(data).digest();
    for (let done = 0; done < SIGNS; done += BATCH) {
      const batch = await Promise.all(Array.from({ length: BATCH }, async () => await tpm.sign(data)));
      if (!batch.every((signature) => signature.equals(expected))) throw new Error('a signature is wrong');
    }
    for (let done = 0; done < ACTIVATIONS; done++) await tpm.activateIdentityKey(blob);
    let refused = 0;
    for (let i = 0; i < 200; i++) {
      const damaged = Buffer.from(blob);
      damaged.writeUInt8(damaged.readUInt8(i * 3) ^ (1 + (i % 255)), i * 3);
      await tpm.activateIdentityKey(damaged).catch(() => (refused += 1));
    }
    await tpm.close();
    const left = [...(await swtpm.transientHandles()), ...(await swtpm.sessions())];
    if (left.length > 0) throw new Error(`left in the TPM: ${left.join(', ')}`);
    console.log(`${SIGNS} signs, ${ACTIVATIONS} activations, ${refused} of 200 damaged blobs refused`);
  } finally {
    await swtpm.stop();
  }
}

void main();
