import { once } from 'node:events';
import { Message } from 'azure-iot-device';
import type { IndividualEnrollment } from 'azure-iot-provisioning-service/dist/interfaces';
import { isTpeError } from '../../src/common/errors/tpe-error';
import { type TestEmulator, startEmulator } from '../support/emulator';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import {
  endorsementKeyOf,
  hubClient,
  hubToken,
  provisioningService,
  register,
  reportTo,
  securityClient,
} from './support/microsoft-device';

let tpm: Swtpm;
let emulator: TestEmulator;

beforeAll(async () => {
  tpm = await startSwtpm();
  emulator = await startEmulator();
});

afterAll(async () => {
  await emulator.end();
  await tpm.stop();
});

/** onDeviceMethod subscribes in the background and tells nobody when it is done. */
async function until<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isTpeError(error, 'EMU_DEVICE_NOT_CONNECTED')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return await attempt();
}

async function enroll(registrationId: string, endorsementKey: string): Promise<{ etag?: string }> {
  // The package's type asks for a storage root key and more, which the service does not.
  const attestation = { type: 'tpm', tpm: { endorsementKey } };
  const enrollment = { registrationId, attestation } as unknown as IndividualEnrollment;
  // Its signature hides the promise behind the overload with a callback.
  const answer: unknown = await provisioningService(emulator).createOrUpdateIndividualEnrollment(enrollment);
  return (answer as { responseBody: { etag?: string } }).responseBody;
}

test("Microsoft's TPM client registers on its own swtpm and its MQTT client connects with the key it got", async () => {
  const security = securityClient(tpm, 'taicb1046771');
  const enrollment = await enroll('taicb1046771', await endorsementKeyOf(security));
  expect(enrollment.etag).toMatch(/^".+"$/);

  const assignment = await register(emulator, security);
  expect(assignment).toMatchObject({
    assignedHub: emulator.ready.hubHostName,
    deviceId: 'taicb1046771',
    substatus: 'initialAssignment',
  });

  const { assignedHub: hub, deviceId } = assignment;
  const token = await hubToken(security, hub, deviceId);
  const client = await hubClient(emulator, { hub, deviceId, token });
  await client.open();
  await client.sendEvent(new Message('{"temperature":21}'));
  expect(emulator.log.find((line) => line.includes('temperature'))).toContain(deviceId);

  const twin = await client.getTwin();
  await reportTo(twin, { general: { modelName: 'UC-8112A' } });
  const record = emulator.hubs.get(hub)?.devices.get(deviceId);
  expect(record?.twin.reported).toEqual({ general: { modelName: 'UC-8112A' } });

  client.onDeviceMethod('ping', (request, response) => {
    void response.send(200, { echo: request.payload as unknown });
  });
  const link = emulator.hubs.get(hub)?.link(deviceId);
  await expect(until(async () => await link?.invoke('ping', { n: 1 }, 5000))).resolves.toEqual({
    status: 200,
    payload: { echo: { n: 1 } },
  });
  await client.close();
});

test('a second connection of the same device ends the first', async () => {
  const security = securityClient(tpm, 'taicb1046772');
  await enroll('taicb1046772', await endorsementKeyOf(security));
  const { assignedHub: hub, deviceId } = await register(emulator, security);
  const token = await hubToken(security, hub, deviceId);
  const first = await hubClient(emulator, { hub, deviceId, token });
  await first.open();
  const dropped = once(first, 'disconnect');
  const second = await hubClient(emulator, { hub, deviceId, token });
  await second.open();
  await dropped;
  expect(emulator.hubs.get(hub)?.connectedCount).toBe(1);
  await second.close();
  await first.close();
});

test('a hub token signed with another key is refused', async () => {
  const security = securityClient(tpm, 'taicb1046773');
  await enroll('taicb1046773', await endorsementKeyOf(security));
  const { assignedHub: hub, deviceId } = await register(emulator, security);
  const token = (await hubToken(security, hub, deviceId)).replace(/sig=[^&]+/, 'sig=AAAA');
  const client = await hubClient(emulator, { hub, deviceId, token });
  await expect(client.open()).rejects.toThrow(/not authorized|unauthorized/i);
});

test("an enrollment with another TPM's EK does not let this TPM in", async () => {
  const other = await startSwtpm();
  try {
    await enroll('taicb1046774', await endorsementKeyOf(securityClient(other, 'taicb1046774')));
    await expect(register(emulator, securityClient(tpm, 'taicb1046774'))).rejects.toThrow();
    expect(emulator.counters.of('taicb1046774')).toMatchObject({ dpsChallenges: 1, dpsRegisters: 0 });
  } finally {
    await other.stop();
  }
});
