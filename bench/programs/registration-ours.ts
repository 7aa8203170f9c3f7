// Registers again and again with the agent's own parts; answers each line with the milliseconds from the first look at
// the EK until the hub's CONNACK.
// usage: registration-ours STATE_FOLDER TCTI REGISTRATION_ID EMULATOR
import { once } from 'node:events';
import { AzureConfiguration } from '../../src/agent/config/azure-configuration';
import { ConnectionStore } from '../../src/agent/connection/connection-store';
import { Lifecycle } from '../../src/agent/connection/lifecycle';
import { openTpm } from '../../src/agent/tpm';
import { systemClock } from '../../src/common/clock';
import { createLogger } from '../../src/common/logger';
import type { LifecycleState, ProvisioningStatus } from '../../src/protocol/api-types';
import { addressesOf, onDemand } from './on-demand';

async function until(lifecycle: Lifecycle, wanted: LifecycleState): Promise<void> {
  for (;;) {
    const [{ state, lastError }] = (await once(lifecycle, 'state')) as [ProvisioningStatus];
    if (state === wanted) return;
    if (state === 'backingOff' || state === 'failed') throw new Error(JSON.stringify(lastError));
  }
}

async function main(): Promise<void> {
  const [folder = '', tcti = '', registrationId = '', line = ''] = process.argv.slice(2);
  const emulator = addressesOf(line);
  const tpm = await openTpm({ tcti });
  const azure = await AzureConfiguration.open(folder, {
    dpsHosts: ['localhost'],
    hasTpm: () => true,
    defaultRegistrationId: registrationId,
  });
  const { dps: globalEndpoint, idScope: scopeId } = emulator.ready;
  await azure.patch({ source: 'dps', method: 'tpm', globalEndpoint, scopeId, registrationId });
  const lifecycle = new Lifecycle({
    tpm,
    azure,
    state: await ConnectionStore.open(folder),
    clock: systemClock,
    logger: createLogger('bench', 'silent'),
    builtAtMs: 0,
    random: () => 0,
    settings: {
      reprovision: 'dynamic',
      trustedCaFile: emulator.ready.ca,
      hubGateway: emulator.ready.hub,
    },
  });
  await lifecycle.start();
  let first = true;
  await onDemand(async () => {
    const started = performance.now();
    const connected = until(lifecycle, 'connected');
    if (first) await azure.patch({ enable: true });
    else lifecycle.reprovision();
    first = false;
    await connected;
    return performance.now() - started;
  });
  await lifecycle.stop();
  await tpm.close();
}

void main();
