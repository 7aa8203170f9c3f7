// Runs a storm of gateways against an emulator of its own and prints the result as JSON; for the bench.
// usage: node storm-main.cjs GATEWAYS STATE_FOLDER
import { readFile } from 'node:fs/promises';
import { startEmulator } from '../../src/emulator/emulator';
import { createLogger } from '../../src/common/logger';
import { enrollAll } from './storm-enroll';
import { busiestMinute, drawStorm, runStorm } from './storm';

const LIMIT_PER_MINUTE = 1000;

async function main(): Promise<void> {
  const [gateways, stateFolder] = [Number(process.argv[2]), process.argv[3] ?? ''];
  const emulator = await startEmulator({ stateFolder, logger: createLogger('emulator', 'silent') });
  try {
    const ca = await readFile(emulator.ready.ca, 'utf8');
    const ids = await enrollAll(emulator.ready, ca, gateways);
    const { hostname: host, port } = new URL(emulator.ready.dps);
    const target = { host, port: Number(port), ca, idScope: emulator.ready.idScope };
    const storm = await runStorm(target, ids);
    process.stdout.write(
      JSON.stringify({
        limit: LIMIT_PER_MINUTE,
        busiestMinute: busiestMinute(storm.registrations),
        throttled: storm.throttled.length,
        lastAssignedSec: Math.max(...storm.assigned),
        svg: drawStorm(storm.registrations, LIMIT_PER_MINUTE),
      }),
    );
  } finally {
    await emulator.stop();
  }
}

void main();
