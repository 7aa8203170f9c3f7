import { join } from 'node:path';
import { NEW_PASSWORD } from '../support/gateway';
import { type Plant, withPlant } from '../support/plant';
import { Program } from '../support/process';
import { waitFor } from '../support/wait';

interface Hub {
  readonly hostName: string;
  readonly policyName: string;
  readonly policyKey: string;
}

/** `status` or `verify` with access to DPS and hub, on the journal of the run; nobody says that keys are to be trusted. */
async function look(plant: Plant, command: string, hub: Hub, journal: string, key?: string) {
  const { service, policyName, policyKey, ca, idScope } = plant.cloud.ready;
  const cloud = ['--dps-endpoint', service, '--policy-name', policyName, '--dps-ca', ca];
  const hubs = ['--hub-endpoint', service, '--hub-policy-name', hub.policyName];
  const more = command === 'verify' ? ['--id-scope', idScope] : [];
  const program = new Program(
    'tpe-provision',
    [
      ...[command, '--json', '--target', '127.0.0.1:9', '--seconds', '0.1', '--journal', journal],
      ...[...cloud, ...hubs, ...more],
    ],
    { TPE_POLICY_KEY: key ?? policyKey, TPE_HUB_POLICY_KEY: hub.policyKey, TPE_PASSWORD: NEW_PASSWORD },
  );
  const { code } = await program.exited;
  return { code, lines: program.jsonLines() };
}

const failed = (line: Record<string, unknown> | undefined): unknown[] =>
  ((line?.['checks'] ?? []) as { check: string; result: string }[])
    .filter(({ result }) => result === 'failed')
    .map(({ check }) => check);

test('a provisioned gateway passes; what gateway, DPS and hub say stands side by side, and what differs is named', () =>
  withPlant(async (plant) => {
    const { gateway } = await plant.addGateway();
    const journal = join(plant.folder, 'journal');
    expect((await plant.provision(['--journal', journal])).code).toBe(0);
    const { hubs } = (await plant.admin('GET', '/hubs')) as { hubs: Hub[] };
    const hub = hubs.find(({ hostName }) => hostName === plant.cloud.ready.hubHostName)!;

    const good = await look(plant, 'status', hub, journal);
    expect(good.lines).toMatchObject([
      {
        device: { status: { state: 'connected' } },
        enrollment: { registrationState: { status: 'assigned', assignedHub: hub.hostName } },
        hub: { status: 'enabled', connectionState: 'Connected' },
        disagreements: [],
      },
    ]);
    const accepted = await look(plant, 'verify', hub, journal);
    expect([accepted.code, failed(accepted.lines[0])]).toEqual([0, []]);

    // A policy key without permission: the gateway's own part is told all the same.
    const refused = await look(plant, 'verify', hub, journal, Buffer.alloc(32).toString('base64'));
    expect([refused.code, failed(refused.lines[0])]).toEqual([1, ['cloud']]);

    await gateway.stop();
    await waitFor('the hub to see that it is gone', async () => {
      const [line] = (await look(plant, 'status', hub, journal)).lines;
      return (line?.['hub'] as { connectionState?: string } | undefined)?.connectionState === 'Disconnected';
    });
    const gone = await look(plant, 'verify', hub, journal);
    expect([gone.code, failed(gone.lines[0])]).toEqual([1, ['login']]);
  }));
