// Creates a device in the emulator's hub and prints where and as whom it connects. usage: new-device EMULATOR ID
import { createDevice } from './hub-device';
import { addressesOf } from './on-demand';

async function main(): Promise<void> {
  const [line = '', id = ''] = process.argv.slice(2);
  const emulator = addressesOf(line);
  const { hub, deviceId, key } = await createDevice(emulator, id);
  const target = {
    ca: emulator.ready.ca,
    gateway: emulator.ready.hub,
    hub,
    deviceId,
    key: key.toString('base64'),
  };
  process.stdout.write(`${JSON.stringify(target)}\n`);
}

void main();
