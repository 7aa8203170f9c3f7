// A responder whose interface goes while an answer waits for its turn. Prints its port, and at the end how it went.
// usage: node unplugged-responder.cjs INTERFACE
import { listInterfaces } from '../../src/agent/device/interfaces';
import { DiscoveryResponder } from '../../src/agent/discovery/responder';
import { createLogger } from '../../src/common/logger';
import { FakeClock } from './fake-clock';
import { waitFor } from './wait';

const IDENTITY = {
  serialNumber: 'TAICB1046771',
  modelName: 'UC-8100A-ME-T-LX',
  mac: '0090e87946b5',
  firmwareVersion: '1.3.2',
  deviceId: '5f0c5a7a9d2b4f6e8c1d3b5a79e2f401',
};

async function main(name: string): Promise<void> {
  // The longest delay: the next look at the interfaces comes before it.
  Math.random = () => 0.999;
  const clock = new FakeClock();
  let plugged = true;
  const responder = new DiscoveryResponder({
    identity: IDENTITY,
    port: 0,
    endpoint: () => ({ port: 8443, keySha256: `${'A'.repeat(43)}=` }),
    interfaces: () => (plugged ? listInterfaces().filter((each) => each.name === name) : []),
    clock,
    logger: createLogger('responder', 'silent'),
  });
  await responder.start();
  clock.advance(14_900);
  process.stdout.write(`${responder.port}\n`);
  await waitFor('the probe', () => responder.counters.received === 1 && clock.timers > 1, 10_000);
  plugged = false;
  clock.advance(300);
  process.stdout.write(`answered ${responder.counters.answered}, invalid ${responder.counters.invalid}\n`);
  await responder.stop();
}

void main(process.argv[2] ?? '');
