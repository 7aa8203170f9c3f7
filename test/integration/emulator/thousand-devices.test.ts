import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { admin, hubService } from '../../support/azure-client';
import { spawnEmulator } from '../../support/emulator';
import { MqttDevice } from '../../support/mqtt-device';
import { withTempFolder } from '../../support/temp';

const DEVICES = 1000;
const AT_ONCE = 20;
const LIMIT_KB = 1024 * 1024;

async function inTurns<T>(run: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < DEVICES) {
      const i = next;
      next += 1;
      results[i] = await run(i);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

async function residentKb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]);
}

test('a thousand devices stay connected to one emulator in less than 1 GB', async () => {
  await withTempFolder(async (folder) => {
    const emulator = await spawnEmulator(folder);
    const devices: MqttDevice[] = [];
    try {
      const { hubs } = (await admin(emulator, 'GET', '/hubs')).body as {
        hubs: { hostName: string; policyName: string; policyKey: string }[];
      };
      const hub = hubs[0]!;
      const keyOf = (i: number): Buffer => createHash('sha256').update(`device ${i}`).digest();
      await inTurns(async (i) => {
        const authentication = { symmetricKey: { primaryKey: keyOf(i).toString('base64') } };
        const body = { deviceId: `d${i}`, authentication };
        expect((await hubService(emulator, hub, 'PUT', `/devices/d${i}`, body)).status).toBe(200);
      });
      await inTurns(async (i) => {
        const identity = { hub: hub.hostName, deviceId: `d${i}`, key: keyOf(i) };
        const { device, code } = await MqttDevice.connect(emulator, identity);
        devices.push(device);
        expect(code).toBe(0);
        device.publish(`devices/d${i}/messages/events/`, `{"i":${i}}`, { qos: 1, messageId: 1 });
        expect(await device.next((packet) => packet.cmd === 'puback')).toBeDefined();
      });
      const state = (await admin(emulator, 'GET', '/hubs')).body;
      expect(state).toMatchObject({ hubs: [{ devices: DEVICES, connected: DEVICES }] });
      const rssKb = await residentKb(emulator.child.pid ?? 0);
      process.stderr.write(`${DEVICES} devices connected: ${Math.round(rssKb / 1024)} MB\n`);
      expect(rssKb).toBeLessThan(LIMIT_KB);
      expect(devices.filter((device) => device.closed)).toEqual([]);
    } finally {
      for (const device of devices) device.end();
      await emulator.end();
    }
  });
}, 240_000);
