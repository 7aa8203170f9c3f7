// Devices on the emulator's hub. Each line is how many are to be connected; answered when each has had a message
// acknowledged. usage: many-devices EMULATOR
import { MqttDevice } from '../../test/support/mqtt-device';
import { createDevice } from './hub-device';
import { addressesOf, onDemand } from './on-demand';

const AT_ONCE = 20;

async function main(): Promise<void> {
  const emulator = addressesOf(process.argv[2] ?? '');
  const devices: MqttDevice[] = [];
  const connectOne = async (i: number): Promise<void> => {
    const identity = await createDevice(emulator, `d${i}`);
    const { device, code } = await MqttDevice.connect(emulator, identity);
    if (code !== 0) throw new Error(`device ${i} was answered with ${code ?? 'nothing'}`);
    device.publish(`devices/d${i}/messages/events/`, `{"i":${i}}`, { qos: 1, messageId: 1 });
    const acknowledged = await device.next((packet) => packet.cmd === 'puback');
    if (acknowledged === undefined) throw new Error(`device ${i} was hung up on`);
    devices.push(device);
  };
  await onDemand(async (line) => {
    let next = devices.length;
    const worker = async (): Promise<void> => {
      while (next < Number(line)) await connectOne(next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return devices.filter((device) => !device.closed).length;
  });
  for (const device of devices) device.end();
}

void main();
