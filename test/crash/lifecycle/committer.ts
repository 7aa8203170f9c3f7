// Commits one assignment after the other for ever; run as a child process that the test kills.
import { ConnectionStore } from '../../../src/agent/connection/connection-store';

/** An assignment whose parts all carry the same number, so that a mixture would show. */
function assignment(n: number) {
  const text = Buffer.from(`key ${n}`).toString('base64');
  return {
    endpoint: 'https://global.azure-devices-provisioning.net',
    idScope: '0ne1',
    registrationId: 'gw-1',
    hub: `hub-${n}.azure-devices.net`,
    deviceId: `gw-${n}`,
    key: { public: text, private: text },
    assignedAt: new Date().toISOString(),
  };
}

async function main(): Promise<void> {
  const store = await ConnectionStore.open(process.argv[2] ?? '');
  const first = Number(/\d+/.exec(store.current().assignment?.hub ?? '0')?.[0] ?? 0);
  for (let n = first + 1; ; n += 1) {
    await store.save({ ek: { name: '00'.repeat(34) }, assignment: assignment(n) });
    process.stdout.write(`${n}\n`);
  }
}

void main();
