import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_PASSWORD } from '../../src/protocol/api-types';
import { NEW_PASSWORD } from '../support/gateway';
import { withPlant } from '../support/plant';
import { waitFor } from '../support/wait';

const ID = 'taicb1046771';

describe('from box to IoT Hub', () => {
  it('a gateway with factory settings is connected by one run of the utility', () =>
    withPlant(async (plant) => {
      const { gateway, tpm } = await plant.addGateway();
      const { code, events } = await plant.provision();
      expect({ code, last: events.at(-1) }).toMatchObject({
        code: 0,
        last: { event: 'summary', done: 1, failed: 0 },
      });
      expect(
        events.filter(({ event, status }) => event === 'step' && status === 'done').map(({ step }) => step),
      ).toEqual(
        expect.arrayContaining([
          'login',
          'password',
          'endorsementKey',
          'enrollment',
          'writeBack',
          'enable',
          'connect',
        ]),
      );

      await expect(gateway.login(DEFAULT_PASSWORD)).rejects.toThrow('401');
      await gateway.login(NEW_PASSWORD);
      expect(await gateway.provisioning()).toMatchObject({
        state: 'connected',
        registrationId: ID,
        deviceId: ID,
        assignedHub: plant.cloud.ready.hubHostName,
      });
      const azure = await gateway.data<{ provisioning: { endorsementKey: string } }>('GET', '/azure-iotedge');
      expect(azure.provisioning.endorsementKey).toMatch(/^AToAAQALAAMA/);
      // The live hub key is all that stays in the TPM.
      expect(await tpm.transientHandles()).toHaveLength(1);
      expect(await tpm.sessions()).toEqual([]);
      await waitFor('the twin', () => plant.cloud.log.some((line) => line.includes('UC-8100A-ME-T-LX')));

      expect(await gateway.stop()).toBe(0);
      expect(await tpm.transientHandles()).toEqual([]);
    }));

  it('a restart, and a kill -9, connect again without asking DPS', () =>
    withPlant(async (plant) => {
      const { gateway } = await plant.addGateway();
      expect((await plant.provision()).code).toBe(0);
      const before = await plant.counters(ID);
      expect(before).toMatchObject({ dpsChallenges: 1, dpsRegisters: 1 });

      expect(await gateway.stop()).toBe(0);
      await gateway.start();
      await gateway.login();
      await gateway.untilState('connected');
      gateway.process?.kill('SIGKILL');
      await gateway.process?.exited;
      await gateway.start();
      await gateway.login();
      await gateway.untilState('connected');

      const after = await plant.counters(ID);
      expect(after).toMatchObject({ dpsChallenges: 1, dpsRegisters: 1 });
      expect(after['hubSessions']).toBe((before['hubSessions'] ?? 0) + 2);
    }));

  it('two gateways in one run: both connected, each as itself', () =>
    withPlant(async (plant) => {
      await plant.addGateway();
      await plant.addGateway({ serialNumber: 'TAICB1046772', macAddress: '0090e87946b6' });
      const { code, events } = await plant.provision();
      expect({ code, last: events.at(-1) }).toMatchObject({ code: 0, last: { done: 2, failed: 0 } });
      const devices = events.filter(({ event }) => event === 'device');
      expect(devices.map(({ registrationId }) => registrationId).sort()).toEqual([ID, 'taicb1046772']);
      expect(new Set(devices.map(({ endorsementKey }) => endorsementKey)).size).toBe(2);
    }));

  it('a second run finds everything done and changes nothing', () =>
    withPlant(async (plant) => {
      await plant.addGateway();
      expect((await plant.provision()).code).toBe(0);
      const before = await plant.counters(ID);
      const again = await plant.provision(['--password-file', join(plant.folder, 'new-password')]);
      expect({ code: again.code, last: again.events.at(-1) }).toMatchObject({ code: 0, last: { done: 1 } });
      expect(await plant.counters(ID)).toMatchObject({ dpsChallenges: before['dpsChallenges'] });
    }));

  it('what is on disk is the owner’s only, and holds no password and no key in the clear', () =>
    withPlant(async (plant) => {
      const { gateway } = await plant.addGateway();
      expect((await plant.provision()).code).toBe(0);
      await gateway.stop();
      expect((await stat(gateway.stateFolder)).mode & 0o777).toBe(0o700);
      const names = await readdir(gateway.stateFolder, { recursive: true, withFileTypes: true });
      const files = names
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
      expect(files.length).toBeGreaterThan(3);
      for (const file of files) {
        expect((await stat(file)).mode & 0o077).toBe(0);
        expect(await readFile(file, 'utf8')).not.toContain(NEW_PASSWORD);
      }
      const log = gateway.process!.stdout;
      expect(log).not.toContain(NEW_PASSWORD);
      expect(log).not.toContain(DEFAULT_PASSWORD);
      expect(log).not.toMatch(/sig=(?!\*)/);
    }));

  it('SIGTERM ends the agent with 0 in under five seconds, connected or not', () =>
    withPlant(async (plant) => {
      const { gateway } = await plant.addGateway();
      expect((await plant.provision()).code).toBe(0);
      const started = performance.now();
      expect(await gateway.stop()).toBe(0);
      expect(performance.now() - started).toBeLessThan(5000);
    }));
});
