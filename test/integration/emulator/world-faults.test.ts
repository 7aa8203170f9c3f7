import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readFaultsFile } from '../../../src/emulator/faults/faults-file';
import { sasToken } from '../../support/azure-client';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { enrolledDevice, registerAgain } from '../../support/enrolled-device';
import { MqttDevice } from '../../support/mqtt-device';
import { withTempFolder } from '../../support/temp';
import { waitFor } from '../../support/wait';

/** An emulator that starts with the faults of this YAML. */
async function withFaults(yaml: string, run: (emulator: TestEmulator) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const path = join(folder, 'faults.yaml');
    await writeFile(path, yaml);
    const emulator = await startEmulator({ hubs: 2, faults: await readFaultsFile(path) });
    try {
      await run(emulator);
    } finally {
      await emulator.end();
    }
  });
}

const publish = (device: MqttDevice, deviceId: string, body: string): void =>
  device.publish(`devices/${deviceId}/messages/events/`, body);

test('expireToken in the file: the token ends with the third message, and opens nothing again', () =>
  withFaults('- {point: hub-publish, skip: 2, times: 1, action: {type: expireToken}}', async (emulator) => {
    const who = await enrolledDevice(emulator, 'wf-1');
    const password = Buffer.from(sasToken(`${who.hub}/devices/${who.deviceId}`, who.key));
    const { device } = await MqttDevice.connect(emulator, who, { password });
    for (const body of ['1', '2', '3']) publish(device, who.deviceId, body);
    await device.whenClosed();
    expect((await MqttDevice.connect(emulator, who, { password })).code).toBe(5);
    expect((await MqttDevice.connect(emulator, { ...who, expiresInSeconds: 7200 })).code).toBe(0);
  }));

test('moveHub in the file: the old hub refuses the device, DPS assigns the new one', () =>
  withFaults(
    '- {point: hub-publish, times: 1, action: {type: moveHub, hub: emulator-hub-2.azure-devices.localhost}}',
    async (emulator) => {
      const [from, to] = [...emulator.hubs.keys()] as [string, string];
      const who = await enrolledDevice(emulator, 'wf-2', { iotHubHostName: from });
      const { device } = await MqttDevice.connect(emulator, who);
      publish(device, who.deviceId, 'moved');
      await device.whenClosed();
      expect((await MqttDevice.connect(emulator, who)).code).toBe(5);
      const again = await registerAgain(emulator, 'wf-2');
      expect(again.hub).toBe(to);
      expect((await MqttDevice.connect(emulator, again)).code).toBe(0);
    },
  ));

test('clockOffset in the file: tokens that expire by it end, and DPS tells the new time', () =>
  withFaults(
    '- {point: hub-publish, times: 1, action: {type: clockOffset, offsetMs: 7200000}}',
    async (emulator) => {
      const who = await enrolledDevice(emulator, 'wf-3');
      const { device } = await MqttDevice.connect(emulator, who);
      publish(device, who.deviceId, 'late');
      await device.whenClosed();
      expect(emulator.clock.offsetMs).toBe(7_200_000);
      expect((await MqttDevice.connect(emulator, who)).code).toBe(5);
    },
  ));

test('a move of a device that is not there, or to a hub that is not there, is logged and strikes nothing', () =>
  withFaults('- {point: hub-connect, action: {type: moveHub, hub: nowhere}}', async (emulator) => {
    const who = await enrolledDevice(emulator, 'wf-4');
    expect((await MqttDevice.connect(emulator, who)).code).toBe(0);
    await waitFor('the line', () => emulator.log.some((line) => line.includes('the fault struck nothing')));
  }));
