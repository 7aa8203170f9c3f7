import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Program } from '../support/process';
import { type Plant, withPlant } from '../support/plant';
import { hierarchyCommand, RH, TPM2_CC, authPassword } from '../support/tpm-wire';
import { NEW_PASSWORD } from '../support/gateway';
import { waitFor } from '../support/wait';

const SERIAL = 'TAICB1046771';
const ID = SERIAL.toLowerCase();

interface FactoryRecord {
  readonly initialPassword: string;
  readonly registrationId: string;
  readonly endorsementKey: string;
}

/** One run of a program of ours to its end; fails with what it said. */
async function succeeds(name: string, args: string[], env?: NodeJS.ProcessEnv): Promise<Program> {
  const program = new Program(name, args, env);
  const { code } = await program.exited;
  if (code !== 0) throw new Error(`${name} ${args[0]}: exit ${code}: ${program.stderr}${program.stdout}`);
  return program;
}

/** The integrator has the factory's CSV, so nothing is believed because a box says so. */
async function provision(plant: Plant, csv: string, port: number): Promise<Record<string, unknown>[]> {
  const { service, policyName, policyKey, idScope, dps, ca } = plant.cloud.ready;
  const passwordFile = join(plant.folder, 'new-password');
  await writeFile(passwordFile, NEW_PASSWORD, { mode: 0o600 });
  const run = await succeeds(
    'tpe-provision',
    [
      ...['run', '--json', '--target', `127.0.0.1:${port}`, '--from', csv, '--require', 'possession'],
      ...['--dps-endpoint', service, '--policy-name', policyName, '--dps-ca', ca],
      ...['--id-scope', idScope, '--global-endpoint', dps, '--new-password-file', passwordFile],
    ],
    { TPE_POLICY_KEY: policyKey, XDG_STATE_HOME: join(plant.folder, 'xdg') },
  );
  return run.jsonLines();
}

test('from factory init to factory reset, with the real programs', () =>
  withPlant(async (plant) => {
    const { gateway, tpm } = await plant.addGateway();
    const records = join(plant.folder, 'records');

    // Factory.
    await succeeds('tpe-agentctl', [
      'factory',
      'init',
      '--config',
      gateway.config,
      '--output',
      records,
      '--json',
    ]);
    const record = JSON.parse(await readFile(join(records, `${SERIAL}.json`), 'utf8')) as FactoryRecord;
    expect(record.registrationId).toBe(ID);
    expect(await tpm.persistentHandles()).toEqual(expect.arrayContaining([0x81000001, 0x81010001]));

    // Discovery to connected.
    const events = await provision(plant, join(records, 'factory.csv'), gateway.discoveryPort);
    expect(events.at(-1)).toMatchObject({ event: 'summary', done: 1, failed: 0 });
    expect(events.find(({ event }) => event === 'device')).toMatchObject({
      registrationId: ID,
      endorsementKey: record.endorsementKey,
      assignedHub: plant.cloud.ready.hubHostName,
    });
    await waitFor('the twin to tell who the gateway is', () =>
      plant.cloud.log.some((line) => line.includes('UC-8100A-ME-T-LX') && line.includes(SERIAL)),
    );
    await gateway.login();
    await gateway.data('PUT', '/system/discovery', { enable: false });

    // Reboot: the TPM starts anew, too.
    await gateway.stop();
    await tpm.restart();
    await gateway.start();
    await gateway.login();
    await gateway.untilState('connected');
    expect(await plant.counters(ID)).toMatchObject({ dpsRegisters: 1 });
    expect(await gateway.data('GET', '/system/discovery')).toEqual({ enable: false });

    // Somebody clears the TPM while the gateway is off.
    await gateway.stop();
    await tpm.command(hierarchyCommand(TPM2_CC.Clear, RH.lockout, authPassword()));
    await gateway.start();
    await gateway.login();
    await gateway.untilState('connected');
    expect(await plant.counters(ID)).toMatchObject({ dpsRegisters: 2 });

    // Decommissioned: as new, and the factory's password is the one on the label again.
    await succeeds('tpe-agentctl', ['factory', 'reset', '--config', gateway.config, '--json']);
    const again = await waitFor(
      'the agent to start as new',
      () => gateway.process?.jsonLines().filter((line) => line['event'] === 'ready')[1],
    );
    gateway.apiPort = Number(again['apiPort']);
    await expect(gateway.login()).rejects.toThrow('401');
    await gateway.login(record.initialPassword);
    const refused = await gateway.call('GET', '/system/discovery');
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('passwordMustChange')]);
    await gateway.data('PUT', '/users/me/password', { newPassword: NEW_PASSWORD });
    await gateway.login();
    expect(await gateway.provisioning()).toMatchObject({ state: 'unconfigured' });
    expect(await gateway.data('GET', '/system/discovery')).toEqual({ enable: true });
    expect(await tpm.transientHandles()).toEqual([]);
  }));
