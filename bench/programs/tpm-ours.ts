// The agent's TPM part on demand: "sign N", "together N" and "activate N" give the microseconds of each; "late sign N",
// "late activate N" and "late idle MILLISECONDS" how many milliseconds a 1 ms timer came late meanwhile.
// usage: tpm-ours TCTI FOLDER (gets the files that the C program needs: public, private, blob)
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTpm } from '../../src/agent/tpm';
import { wrapForTpm } from '../../src/emulator/tpm/authentication-key';
import { parseStorageKey } from '../../src/emulator/tpm/public-area';
import { onDemand } from './on-demand';

const DATA = Buffer.alloc(96, 'token');

async function each(count: number, operation: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const from = performance.now();
    await operation();
    taken.push((performance.now() - from) * 1000);
  }
  return taken;
}

async function lateness(work: () => Promise<unknown>): Promise<number[]> {
  const late: number[] = [];
  let due = performance.now() + 1;
  const timer = setInterval(() => {
    late.push(Math.max(0, performance.now() - due));
    due = performance.now() + 1;
  }, 1);
  await work();
  clearInterval(timer);
  return late;
}

async function main(): Promise<void> {
  const [tcti = '', folder = ''] = process.argv.slice(2);
  const tpm = await openTpm({ tcti });
  // As after the factory step.
  await tpm.persistPrimaries();
  const [ek, srk] = [await tpm.endorsementKey(), await tpm.storageRootKey()].map((key) =>
    parseStorageKey(key.public.toString('base64')),
  );
  if (ek === undefined || srk === undefined) throw new Error('the TPM has no keys');
  const blob = wrapForTpm(ek, srk, randomBytes(32), 'https://example.azure-devices.net');
  const key = await tpm.activateIdentityKey(blob);
  await tpm.loadIdentityKey(key);
  for (const [name, bytes] of Object.entries({ public: key.public, private: key.private, blob })) {
    writeFileSync(join(folder, name), bytes);
  }
  const sign = (): Promise<unknown> => tpm.sign(DATA);
  const activate = (): Promise<unknown> => tpm.activateIdentityKey(blob);
  await onDemand(async (line) => {
    const [what = '', number = '', more = ''] = line.split(' ');
    switch (what) {
      case 'sign':
        return each(Number(number), sign);
      case 'activate':
        return each(Number(number), activate);
      case 'together': {
        const from = performance.now();
        await Promise.all(Array.from({ length: Number(number) }, sign));
        return [((performance.now() - from) * 1000) / Number(number)];
      }
      default:
        if (number === 'idle') return lateness(() => new Promise((done) => setTimeout(done, Number(more))));
        return lateness(() => each(Number(more), number === 'sign' ? sign : activate));
    }
  });
  await tpm.close();
}

void main();
