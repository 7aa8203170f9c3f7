// Registers again and again with Microsoft's packages: azure-iot-security-tpm, -provisioning-device(-http), -device(-mqtt).
// Answers each line with the milliseconds from the first look at the EK until the hub's CONNACK.
// usage: registration-microsoft SWTPM_SOCKET REGISTRATION_ID EMULATOR
import type { Swtpm } from '../../test/support/swtpm';
import { hubClient, hubToken, register, securityClient } from '../../test/interop/support/microsoft-device';
import { addressesOf, onDemand } from './on-demand';

async function main(): Promise<void> {
  const [socket = '', registrationId = '', line = ''] = process.argv.slice(2);
  const emulator = addressesOf(line);
  await onDemand(async () => {
    const started = performance.now();
    const security = securityClient({ socket } as Swtpm, registrationId);
    const { assignedHub: hub, deviceId } = await register(emulator, security);
    const token = await hubToken(security, hub, deviceId);
    const client = await hubClient(emulator, { hub, deviceId, token });
    await client.open();
    const taken = performance.now() - started;
    await client.close();
    return taken;
  });
}

void main();
