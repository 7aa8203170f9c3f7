import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Message } from 'azure-iot-device';
import type { ProvisioningServiceClient } from 'azure-iot-provisioning-service';
import { admin, hubService } from '../support/azure-client';
import { type TestEmulator, startEmulator } from '../support/emulator';
import { type EnrolledDevice, enrolledDevice } from '../support/enrolled-device';
import { newSoftTpm } from '../support/soft-tpm';
import { sasToken } from '../support/azure-client';
import { startSwtpm } from '../support/swtpm';
import {
  desiredOf,
  endorsementKeyOf,
  hubClient,
  provisioningService,
  register,
  reportTo,
  securityClient,
} from './support/microsoft-device';
import { hubServices } from './support/microsoft-service';

let emulator: TestEmulator;
let lastId = 0;
const newId = (): string => `matrix-${(lastId += 1)}`;
const { endorsementKey } = newSoftTpm();

beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(async () => {
  await emulator.end();
});

async function withDevice<T>(
  webSockets: boolean,
  run: (client: Awaited<ReturnType<typeof hubClient>>, who: EnrolledDevice) => Promise<T>,
): Promise<T> {
  const who = await enrolledDevice(emulator, newId());
  const token = sasToken(`${who.hub}/devices/${who.deviceId}`, who.key);
  const client = await hubClient(emulator, { ...who, token }, webSockets);
  await client.open();
  try {
    return await run(client, who);
  } finally {
    await client.close();
  }
}

const hubOf = (who: EnrolledDevice) => emulator.hubs.get(who.hub)!;

/** The package's enrollment type asks for fields that the service does not. */
type Enrollment = Parameters<ProvisioningServiceClient['createOrUpdateIndividualEnrollment']>[0];
const enrollmentOf = (registrationId: string, more: object = {}): Enrollment =>
  ({
    registrationId,
    attestation: { type: 'tpm', tpm: { endorsementKey } },
    ...more,
  }) as unknown as Enrollment;
const bodyOf = (answer: unknown): Record<string, unknown> =>
  (answer as { responseBody: Record<string, unknown> }).responseBody;

/** Several of the packages hide a promise behind an overload with a callback. */
const settled = async (call: unknown): Promise<unknown> => await call;

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !check(); tries += 1) await new Promise((r) => setTimeout(r, 10));
  expect(check()).toBe(true);
}

const rows: [client: string, feature: string, run: () => Promise<void>][] = [
  [
    'azure-iot-security-tpm with azure-iot-provisioning-device-http',
    'registration on swtpm, payload both ways',
    async () => {
      const tpm = await startSwtpm();
      try {
        const id = newId();
        const security = securityClient(tpm, id);
        const attestation = { type: 'tpm', tpm: { endorsementKey: await endorsementKeyOf(security) } };
        await settled(
          provisioningService(emulator).createOrUpdateIndividualEnrollment(enrollmentOf(id, { attestation })),
        );
        expect(await register(emulator, security, { site: 1 })).toMatchObject({ deviceId: id });
        expect(emulator.counters.of(id)).toMatchObject({ dpsChallenges: 1, dpsRegisters: 1 });
      } finally {
        await tpm.stop();
      }
    },
  ],
  [
    'azure-iot-provisioning-device-http',
    'a registration that fails is reported with the code of DPS',
    async () => {
      const tpm = await startSwtpm();
      try {
        const id = newId();
        const security = securityClient(tpm, id);
        const attestation = { type: 'tpm', tpm: { endorsementKey: await endorsementKeyOf(security) } };
        await settled(
          provisioningService(emulator).createOrUpdateIndividualEnrollment(enrollmentOf(id, { attestation })),
        );
        emulator.faults.add({
          point: 'dps-register',
          id,
          action: { type: 'result', status: 'failed', errorCode: 400208 },
        });
        await expect(register(emulator, security)).rejects.toMatchObject({
          name: 'ProvisioningRegistrationFailedError',
          result: { registrationState: { errorCode: 400208 } },
        });
      } finally {
        await tpm.stop();
      }
    },
  ],
  [
    'azure-iot-provisioning-service',
    'create, get, update by etag, delete an enrollment',
    async () => {
      const service = provisioningService(emulator);
      const id = newId();
      const made = bodyOf(await settled(service.createOrUpdateIndividualEnrollment(enrollmentOf(id))));
      const read = bodyOf(await settled(service.getIndividualEnrollment(id)));
      expect(read).toEqual(made);
      const change = { ...read, provisioningStatus: 'disabled' } as unknown as Enrollment;
      const changed = bodyOf(await settled(service.createOrUpdateIndividualEnrollment(change)));
      expect(changed).toMatchObject({ provisioningStatus: 'disabled' });
      await expect(settled(service.createOrUpdateIndividualEnrollment(change))).rejects.toThrow();
      await settled(service.deleteIndividualEnrollment(id, String(changed['etag'])));
      await expect(settled(service.getIndividualEnrollment(id))).rejects.toThrow();
    },
  ],
  [
    'azure-iot-provisioning-service',
    'query in pages',
    async () => {
      const service = provisioningService(emulator);
      const ids = [newId(), newId(), newId()];
      for (const id of ids) await settled(service.createOrUpdateIndividualEnrollment(enrollmentOf(id)));
      const query = service.createIndividualEnrollmentQuery({ query: 'SELECT * FROM enrollments' }, 2);
      const found: unknown[] = [];
      // Without the token its promise form would read the first page for ever.
      while (query.hasMoreResults) {
        const page = (await settled(query.next(query.continuationToken))) as {
          responseBody: { registrationId: string }[];
        };
        expect(page.responseBody.length).toBeLessThanOrEqual(2);
        found.push(...page.responseBody.map((e) => e.registrationId));
      }
      expect(found).toEqual(expect.arrayContaining(ids));
    },
  ],
  [
    'azure-iot-provisioning-service',
    'bulk operation, attestation mechanism, registration state',
    async () => {
      const service = provisioningService(emulator);
      const id = newId();
      const bulk = { mode: 'create', enrollments: [enrollmentOf(id)] };
      // Its promise form never resolves.
      const done = await new Promise((resolve, reject) => {
        service.runBulkEnrollmentOperation(bulk as never, (error, result) => {
          if (error) reject(error);
          else resolve(result);
        });
      });
      expect(done).toEqual({ isSuccessful: true, errors: [] });
      const mechanism = bodyOf(await settled(service.getIndividualEnrollmentAttestationMechanism(id)));
      expect(mechanism).toEqual({ type: 'tpm', tpm: { endorsementKey } });
      const who = await enrolledDevice(emulator, newId());
      const state = bodyOf(await settled(service.getDeviceRegistrationState(who.deviceId)));
      expect(state).toMatchObject({ status: 'assigned', assignedHub: who.hub });
      await settled(service.deleteDeviceRegistrationState(who.deviceId));
      await expect(settled(service.getDeviceRegistrationState(who.deviceId))).rejects.toThrow();
    },
  ],
  ...[false, true].map((webSockets): (typeof rows)[number] => [
    'azure-iot-device with azure-iot-device-mqtt',
    webSockets ? 'telemetry and twin over MQTT over WebSockets' : 'telemetry and twin over MQTT',
    async () => {
      await withDevice(webSockets, async (client, who) => {
        const message = new Message('{"t":21}');
        message.properties.add('alert', 'no');
        await client.sendEvent(message);
        const sent = (await admin(emulator, 'GET', `/telemetry?deviceId=${who.deviceId}`)).body;
        expect(sent).toMatchObject({ telemetry: [{ body: '{"t":21}', properties: [['alert', 'no']] }] });
        const twin = await client.getTwin();
        await reportTo(twin, { general: { modelName: 'UC' } });
        expect(hubOf(who).devices.get(who.deviceId)?.twin.reported).toEqual({ general: { modelName: 'UC' } });
      });
    },
  ]),
  [
    'azure-iot-device with azure-iot-device-mqtt',
    'desired properties arrive, null removes',
    async () => {
      await withDevice(false, async (client, who) => {
        const { registry } = await hubServices(emulator);
        const twin = await client.getTwin();
        const seen: unknown[] = [];
        twin.on('properties.desired', (delta: unknown) => seen.push(delta));
        // The first call is the state at the start; the subscription follows in the background.
        await eventually(() => seen.length === 1 && subscribed(who));
        await settled(registry.updateTwin(who.deviceId, { properties: { desired: { a: 1, b: 2 } } }, '*'));
        await eventually(() => seen.length === 2);
        await settled(registry.updateTwin(who.deviceId, { properties: { desired: { a: null } } }, '*'));
        await eventually(() => seen.length === 3);
        expect(desiredOf(twin)).toMatchObject({ b: 2, $version: 3 });
        expect(desiredOf(twin)).not.toHaveProperty('a');
      });
    },
  ],
  [
    'azure-iot-device with azure-iot-device-mqtt',
    'messages from the cloud, acknowledged',
    async () => {
      await withDevice(false, async (client, who) => {
        const got = once(client, 'message') as Promise<Message[]>;
        const { hubHostName: hostName } = await hubServices(emulator);
        const { hubs } = (await admin(emulator, 'GET', '/hubs')).body as {
          hubs: { hostName: string; policyName: string; policyKey: string }[];
        };
        const hub = hubs.find((h) => h.hostName === hostName)!;
        const headers = {
          'iothub-to': `/devices/${who.deviceId}/messages/deviceBound`,
          'content-type': 'text/plain',
          'iothub-app-colour': 'red',
        };
        await hubService(emulator, hub, 'POST', '/messages/deviceBound', 'hello', headers);
        const [message] = await got;
        expect(Buffer.from(message?.getData() as Uint8Array).toString()).toBe('hello');
        expect(message?.properties.getValue('colour')).toBe('red');
        await client.complete(message!);
        await eventually(() => hubOf(who).devices.get(who.deviceId)?.messages.length === 0);
      });
    },
  ],
  [
    'azure-iothub (REST)',
    'direct method to azure-iot-device',
    async () => {
      await withDevice(false, async (device, who) => {
        device.onDeviceMethod('reboot', (request, response) => {
          void response.send(202, { delay: (request.payload as { delay: number }).delay });
        });
        const { client } = await hubServices(emulator);
        const call = {
          methodName: 'reboot',
          payload: { delay: 3 },
          responseTimeoutInSeconds: 10,
          connectTimeoutInSeconds: 10,
        };
        const answer = (await settled(client.invokeDeviceMethod(who.deviceId, call))) as { result: unknown };
        expect(answer.result).toEqual({ status: 202, payload: { delay: 3 } });
        await expect(
          settled(client.invokeDeviceMethod('nobody', { methodName: 'x', payload: null })),
        ).rejects.toMatchObject({ name: 'DeviceNotFoundError' });
      });
    },
  ],
  [
    'azure-iothub (REST)',
    'identities: create, get, list, update, delete, statistics',
    async () => {
      const { registry } = await hubServices(emulator);
      const deviceId = newId();
      const made = bodyOf(await settled(registry.create({ deviceId, status: 'enabled' })));
      expect(made).toMatchObject({ deviceId, status: 'enabled' });
      await expect(settled(registry.create({ deviceId }))).rejects.toMatchObject({
        name: 'DeviceAlreadyExistsError',
      });
      expect(bodyOf(await settled(registry.get(deviceId)))).toMatchObject({ deviceId });
      const listed = (await settled(registry.list())) as { responseBody: { deviceId: string }[] };
      expect(listed.responseBody.map((d) => d.deviceId)).toContain(deviceId);
      await settled(registry.update({ deviceId, status: 'disabled' }));
      const statistics = bodyOf(await settled(registry.getRegistryStatistics()));
      expect(statistics['disabledDeviceCount']).toBe(1);
      await settled(registry.delete(deviceId));
      await expect(settled(registry.get(deviceId))).rejects.toMatchObject({ name: 'DeviceNotFoundError' });
    },
  ],
  [
    'azure-iothub (REST)',
    'twins: read, change by etag, query',
    async () => {
      const { registry } = await hubServices(emulator);
      const { deviceId } = await enrolledDevice(emulator, newId());
      const twin = bodyOf(await settled(registry.getTwin(deviceId)));
      const etag = String(twin['etag']);
      await settled(registry.updateTwin(deviceId, { tags: { line: 4 } }, etag));
      await expect(settled(registry.updateTwin(deviceId, { tags: { line: 5 } }, etag))).rejects.toMatchObject(
        {
          name: 'InvalidEtagError',
        },
      );
      const query = registry.createQuery('SELECT * FROM devices');
      const all = (await settled(query.nextAsTwin())) as { result: { deviceId: string; tags: object }[] };
      expect(all.result.find((t) => t.deviceId === deviceId)?.tags).toEqual({ line: 4 });
    },
  ],
];

function subscribed(who: EnrolledDevice): boolean {
  return hubOf(who).link(who.deviceId)?.takesDesired === true;
}

test.each(rows)('%s: %s', async (_client, _feature, run) => {
  await run();
});

test('the documentation lists exactly what passes here', () => {
  const document = readFileSync(join(__dirname, '../../docs/reference/emulator-interop.md'), 'utf8');
  const listed = [...document.matchAll(/^\| (azure-iot\S.*?) \| (.+?) \| passes \|$/gm)].map(
    ([, a, b]) => `${a}: ${b}`,
  );
  expect(listed.sort()).toEqual(rows.map(([client, feature]) => `${client}: ${feature}`).sort());
});
