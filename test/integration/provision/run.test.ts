import { Plant, deviceEvents, tpeProvision } from '../../support/gateway-simulator-plant';

let plant: Plant;
beforeAll(async () => {
  plant = await Plant.open();
});
afterEach(() => plant.clear());
afterAll(() => plant.close());

test('a gateway goes from its default password to connected', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const outcome = await plant.run(['--json', '--disable-service', 'sshserver']);
  expect(deviceEvents(outcome)).toMatchObject([
    {
      result: 'done',
      registrationId: 'taicb1046771',
      lastStep: 'connect',
      assignedHub: 'hub.azure-devices.net',
    },
  ]);
  expect(outcome.code).toBe(0);
  expect(one.password).toBe('Gateway-4711!');
  expect(one.services.get('sshserver')).toBe(false);
  expect(one.provisioning).toMatchObject({
    enable: true,
    scopeId: '0ne00012345',
    registrationId: 'taicb1046771',
  });
  const enrollment = plant.dps.enrollments.get('taicb1046771');
  expect(enrollment?.attestation.tpm.endorsementKey).toBe(one.ek.public.toString('base64'));
});

test('a second run changes nothing and succeeds', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  await plant.run([]);
  const { code, out } = await plant.run([]);
  expect(code).toBe(0);
  expect(out).toContain('enrollment: unchanged');
  expect(one.failedLogins).toBe(0);
  expect(plant.dps.calls.filter((call) => call.startsWith('PUT'))).toHaveLength(1);
});

test('without --trust-on-first-use no password leaves this computer', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const outcome = await plant.run(['--json'], []);
  expect(outcome.code).toBe(1);
  expect(deviceEvents(outcome)).toMatchObject([{ failure: { code: 'PROVISION_KEY_UNTRUSTED' } }]);
  expect(one.calls).toEqual([]);
});

test('a gateway whose key is not the announced one gets no password', async () => {
  const one = await plant.gateway({
    serialNumber: 'TAICB1046771',
    forge: (answer) => ({ ...answer, keySha256: `${'A'.repeat(43)}=` }),
  });
  const outcome = await plant.run(['--json']);
  expect(deviceEvents(outcome)).toMatchObject([{ failure: { code: 'HTTP_PIN_MISMATCH' } }]);
  expect(one.calls).toEqual([]);
});

test('a wrong password is tried twice at most and the account is not locked', async () => {
  const one = await plant.gateway({
    serialNumber: 'TAICB1046771',
    password: 'somebody-elses-1',
    mustChange: false,
  });
  const outcome = await plant.run(['--json']);
  expect(outcome.code).toBe(1);
  expect(deviceEvents(outcome)).toMatchObject([{ failure: { code: 'PROVISION_LOGIN_REFUSED' } }]);
  expect(one.loginTries).toBe(2);
});

test('a serial number that differs over TLS stops the flow before any enrollment', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771', serialOverTls: 'TAICB9999999' });
  const outcome = await plant.run(['--json']);
  expect(deviceEvents(outcome)).toMatchObject([{ failure: { code: 'PROVISION_SERIAL_MISMATCH' } }]);
  expect(plant.dps.calls).toEqual([]);
});

test('two units with the placeholder serial number are both refused, with the other one named', async () => {
  await plant.gateway({ serialNumber: 'IMOXA1234567', mac: '0090e8000001' });
  await plant.gateway({ serialNumber: 'IMOXA1234567', mac: '0090e8000002' });
  const outcome = await plant.run(['--json']);
  expect(deviceEvents(outcome)).toMatchObject([
    { failure: { code: 'PROVISION_REGISTRATION_ID_SHARED' } },
    { failure: { code: 'PROVISION_REGISTRATION_ID_SHARED' } },
  ]);
  expect(plant.dps.calls).toEqual([]);
});

test('with the MAC in the template they are told apart', async () => {
  await plant.gateway({ serialNumber: 'IMOXA1234567', mac: '0090e8000001' });
  await plant.gateway({ serialNumber: 'IMOXA1234567', mac: '0090e8000002' });
  const { code } = await plant.run(['--json', '--registration-id', '{serial}-{mac}']);
  expect(code).toBe(0);
  expect([...plant.dps.enrollments.keys()].sort()).toEqual([
    'imoxa1234567-0090e8000001',
    'imoxa1234567-0090e8000002',
  ]);
});

test('an ID that is enrolled with another EK is refused, and taken over with --replace', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const attestation = { type: 'tpm', tpm: { endorsementKey: 'AToAAQ==' } };
  plant.dps.enrollments.set('taicb1046771', { registrationId: 'taicb1046771', etag: '"1"', attestation });
  const refused = await plant.run(['--json']);
  expect(deviceEvents(refused)).toMatchObject([{ failure: { code: 'PROVISION_ENROLLED_OTHER_EK' } }]);
  const replaced = await plant.run(['--json', '--replace']);
  expect(replaced.code).toBe(0);
  const enrollment = plant.dps.enrollments.get('taicb1046771');
  expect(enrollment?.attestation.tpm.endorsementKey).toBe(one.ek.public.toString('base64'));
});

test('a gateway that never connects is reported with its own last error', async () => {
  await plant.gateway({
    serialNumber: 'TAICB1046771',
    onEnable: (self) => {
      self.state = 'backingOff';
      self.lastError = {
        code: 'DPS_UNREACHABLE',
        message: 'no route',
        advice: 'look',
        at: new Date().toISOString(),
      };
    },
  });
  const { code, out } = await plant.run(['--connect-timeout', '1']);
  expect(code).toBe(1);
  expect(out).toMatch(/FAILED PROVISION_NOT_CONNECTED: .*backingOff, DPS_UNREACHABLE: no route/);
});

test.each([
  'POST /auth',
  'GET /tpm',
  'POST /tpm/attestation',
  'PUT /users/me/password',
  'GET /device/general',
  'GET /device/time',
  'PATCH /azure-iotedge',
  'PUT /system/services/sshserver/disable',
])('a gateway that vanishes at %s fails alone, the other one is finished', async (vanishAt) => {
  await plant.gateway({ serialNumber: 'TAICB1046771', vanishAt });
  await plant.gateway({ serialNumber: 'TAICB1046772', mac: '0090e8000002' });
  const outcome = await plant.run(['--json', '--disable-service', 'sshserver']);
  expect(outcome.code).toBe(1);
  const results = deviceEvents(outcome).map((event) => [event.gateway.serialNumber, event.failure?.code]);
  expect(results.sort()).toEqual([
    ['TAICB1046771', 'HTTP_UNREACHABLE'],
    ['TAICB1046772', undefined],
  ]);
});

test('throttling and server errors of DPS are waited out', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  plant.dps.nextStatuses.push(429, 503);
  const { code } = await plant.run([]);
  expect(code).toBe(0);
});

test('a policy key without permission is told in one sentence', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  plant.dps.nextStatuses.push(403);
  const outcome = await plant.run(['--json']);
  expect(deviceEvents(outcome)).toMatchObject([{ failure: { code: 'PROVISION_DPS_UNAUTHORIZED' } }]);
});

test('a gateway that vanishes while it is watched is told with what is known', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771', vanishAt: 'GET /provisioning' });
  const outcome = await plant.run(['--json', '--connect-timeout', '1']);
  expect(deviceEvents(outcome)).toMatchObject([
    { stage: 'configured', failure: { code: 'PROVISION_NOT_CONNECTED', retryable: true } },
  ]);
});

test('a DPS that is not there is told once for each gateway, and what was collected stays', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  const outcome = await plant.run(['--json', '--dps-endpoint', 'https://127.0.0.1:9']);
  expect(deviceEvents(outcome)).toMatchObject([
    { stage: 'collected', failure: { code: 'HTTP_UNREACHABLE', retryable: true } },
  ]);
});

test('nothing found is an error that says where to look', async () => {
  const { code, err } = await plant.run(['--target', '127.0.0.1:9', '--seconds', '0.2']);
  expect(code).toBe(1);
  expect(err).toContain('error PROVISION_NO_GATEWAY');
});

test('a missing setting is wrong usage', async () => {
  const { code, err } = await tpeProvision(['run', '--target', '127.0.0.1']);
  expect(code).toBe(2);
  expect(err).toContain('--id-scope');
});
