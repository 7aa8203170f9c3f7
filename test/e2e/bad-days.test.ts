import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Gateway } from '../support/gateway';
import { withPlant } from '../support/plant';
import { Program } from '../support/process';
import { withTempFolder } from '../support/temp';

const run = promisify(execFile);
const ID = 'taicb1046771';

async function withLoneGateway(tcti: string, body: (gateway: Gateway) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const gateway = new Gateway({ folder, tcti });
    try {
      await gateway.start();
      await body(gateway);
    } finally {
      await gateway.stop();
    }
  });
}

describe('a TPM that is not there', () => {
  it.each([
    ['a device that is absent', 'device:/dev/tpm-that-is-not-there', 'TPM_ABSENT'],
    ['a TCTI that nobody answers on', 'swtpm:host=127.0.0.1,port=9', 'TPM_UNREACHABLE'],
  ])('%s: the gateway stays manageable and says why', (_, tcti, code) =>
    withLoneGateway(tcti, async (gateway) => {
      await gateway.takeOver();
      expect(await gateway.provisioning()).toMatchObject({ state: 'unconfigured' });
      expect(gateway.process!.stdout).toContain(code);
      expect(gateway.process!.running).toBe(true);
    }),
  );
});

describe('a TPM that was cleared', () => {
  it('while the agent was stopped: it registers again by itself', () =>
    withPlant(async (plant) => {
      const { gateway, tpm } = await plant.addGateway();
      expect((await plant.provision()).code).toBe(0);
      await gateway.stop();
      await run('tpm2_clear', ['-T', tpm.tcti, '-c', 'p']);
      await gateway.start();
      await gateway.login();
      expect(await gateway.untilState('connected')).toMatchObject({ deviceId: ID });
      expect(await plant.counters(ID)).toMatchObject({ dpsRegisters: 2 });
    }));
});

describe('settings and state', () => {
  it('a settings file with a mistake is refused with line and key, and nothing is started', () =>
    withTempFolder(async (folder) => {
      const config = join(folder, 'config.toml');
      await writeFile(config, `[paths]\nstate = "${folder}/state"\n[api]\nprot = 1\n`);
      const agent = new Program('tpe-agent', ['--config', config]);
      expect((await agent.exited).code).toBe(1);
      expect(agent.stderr).toContain('config.toml:4: api.prot: there is no such key');
      expect(agent.stderr).toContain('what to do:');
    }));

  it('an unknown flag is a usage error', async () => {
    const agent = new Program('tpe-agent', ['--cofnig', 'x']);
    expect((await agent.exited).code).toBe(2);
    expect(agent.stderr).toContain('--cofnig');
  });

  it('a second agent on the same state is refused and names the first', () =>
    withPlant(async (plant) => {
      const { gateway } = await plant.addGateway();
      const second = new Program('tpe-agent', ['--config', gateway.config]);
      expect((await second.exited).code).toBe(1);
      expect(second.stderr).toContain('STATE_IN_USE');
      expect(gateway.process!.running).toBe(true);
    }));

  it('a damaged connection file: its twin of the same generation connects without DPS', () =>
    withPlant(async (plant) => {
      const { gateway } = await plant.addGateway();
      expect((await plant.provision()).code).toBe(0);
      await gateway.stop();
      const file = join(gateway.stateFolder, 'connection.json');
      const whole = await readFile(file, 'utf8');
      await writeFile(file, whole.slice(0, whole.length / 2));
      // What the power cut left of the write that was under way.
      await writeFile(join(gateway.stateFolder, '.connection.json.0123456789ab.tmp'), whole.slice(0, 9));
      await gateway.start();
      expect((await readdir(gateway.stateFolder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      await gateway.login();
      await gateway.untilState('connected');
      expect(await plant.counters(ID)).toMatchObject({ dpsRegisters: 1 });
    }));

  it('damaged accounts lock the API instead of bringing the default password back', () =>
    withPlant(async (plant) => {
      const { gateway } = await plant.addGateway();
      await gateway.takeOver();
      await gateway.stop();
      for (const name of ['accounts.json', 'accounts.json.twin']) {
        await writeFile(join(gateway.stateFolder, name), 'garbage');
      }
      await gateway.start();
      const body = { acceptEULA: true, name: 'admin', password: 'admin@123' };
      const { status, text } = await gateway.call('POST', '/auth', body);
      expect(status).toBe(503);
      expect(text).toContain('API_ACCOUNTS_LOCKED');
    }));

  it('a state folder that cannot be made is named', () =>
    withTempFolder(async (folder) => {
      await mkdir(join(folder, 'x'));
      await writeFile(join(folder, 'x', 'file'), '');
      const config = join(folder, 'config.toml');
      await writeFile(config, `[paths]\nstate = "${folder}/x/file/state"\n`);
      const agent = new Program('tpe-agent', ['--config', config]);
      expect((await agent.exited).code).toBe(1);
      expect(agent.stderr).toContain('STATE_FOLDER_UNUSABLE');
    }));
});

describe('a cloud that is not there', () => {
  it('the gateway waits with a named error, and connects when the cloud is back', () =>
    withPlant(async (plant) => {
      const { gateway } = await plant.addGateway();
      await plant.admin('PATCH', '/settings', { hubListening: false });
      const provisioning = plant.provision();
      await plant.admin('GET', '/settings');
      await gateway.process!.line((line) => line['to'] === 'connecting', 'an attempt to connect', 60_000);
      await gateway.process!.line((line) => line['to'] === 'backingOff', 'backing off', 60_000);
      await plant.admin('PATCH', '/settings', { hubListening: true });
      expect((await provisioning).code).toBe(0);
    }));
});
