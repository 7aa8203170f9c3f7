// azure-iot-security-tpm on demand: "sign N" gives the microseconds of each.
// usage: tpm-microsoft SWTPM_SOCKET BLOB_FILE
import { readFileSync } from 'node:fs';
import type { Swtpm } from '../../test/support/swtpm';
import { endorsementKeyOf, securityClient } from '../../test/interop/support/microsoft-device';
import { onDemand } from './on-demand';

const DATA = Buffer.alloc(96, 'token');

async function called(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
}

async function main(): Promise<void> {
  const [socket = '', blob = ''] = process.argv.slice(2);
  const security = securityClient({ socket } as Swtpm, 'bench');
  await endorsementKeyOf(security);
  await called((done) => security.getStorageRootKey(done));
  await called((done) => security.activateIdentityKey(readFileSync(blob), done));
  await onDemand(async (line) => {
    const taken: number[] = [];
    for (let left = Number(line.split(' ')[1]); left > 0; left -= 1) {
      const from = performance.now();
      await called((done) => security.signWithIdentity(DATA, done));
      taken.push((performance.now() - from) * 1000);
    }
    return taken;
  });
}

void main();
