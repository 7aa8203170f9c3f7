import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Plant, deviceEvents, tpeProvision } from '../../support/gateway-simulator-plant';

let plant: Plant;
beforeAll(async () => {
  plant = await Plant.open();
});
afterEach(() => plant.clear());
afterAll(() => plant.close());

let files = 0;
async function file(content: unknown): Promise<string> {
  const path = join(plant.folder, `job-${(files += 1)}.json`);
  await writeFile(path, JSON.stringify(content));
  return path;
}

test('stages are reached on different days: collected in the plant, enrolled without it, connected later', async () => {
  const journal = ['--journal', join(plant.folder, 'stages')];
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const target = plant.targets;
  const collected = await plant.run(['--json', '--until', 'collected', ...journal]);
  expect(deviceEvents(collected)).toMatchObject([{ result: 'done', stage: 'collected' }]);
  expect(plant.dps.calls).toEqual([]);

  const calls = one.calls.length;
  const office = await tpeProvision([
    ...['run', '--json', '--until', 'enrolled', '--target', '127.0.0.1:9', '--seconds', '0.1'],
    ...plant.dpsFlags,
    ...journal,
  ]);
  expect(deviceEvents(office)).toMatchObject([{ result: 'done', stage: 'enrolled' }]);
  expect(one.calls).toHaveLength(calls);

  expect(target).toEqual(plant.targets);
  const connected = await plant.run(['--json', ...journal]);
  expect(deviceEvents(connected)).toMatchObject([{ result: 'done', stage: 'connected' }]);
  expect(one.calls.filter((call) => call.startsWith('POST /tpm'))).toHaveLength(1);
});

test('a gateway that closed its discovery is reached at its last address', async () => {
  const journal = ['--journal', join(plant.folder, 'closed')];
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  await plant.run(['--until', 'collected', ...journal]);
  const outcome = await tpeProvision([
    ...['run', '--json', '--id-scope', '0ne1', '--target', '127.0.0.1:9', '--seconds', '0.1'],
    ...plant.dpsFlags,
    ...plant.secrets,
    ...journal,
  ]);
  expect(deviceEvents(outcome)).toMatchObject([{ result: 'done', stage: 'connected' }]);
});

test('a failed gateway is retried alone', async () => {
  const journal = ['--journal', join(plant.folder, 'retry')];
  const bad = await plant.gateway({
    serialNumber: 'TAICB1046771',
    password: 'other-Pass-1',
    mustChange: false,
  });
  const good = await plant.gateway({ serialNumber: 'TAICB1046772', mac: '0090e8000002' });
  expect((await plant.run(journal)).code).toBe(1);
  bad.password = 'admin@123';
  bad.mustChange = true;
  const calls = good.calls.length;
  const again = await plant.run(['--json', '--only', 'TAICB1046771', ...journal]);
  expect(deviceEvents(again)).toMatchObject([{ result: 'done', stage: 'connected' }]);
  expect(good.calls).toHaveLength(calls);
});

test('a name that fits no gateway is wrong usage, not a success with nothing done', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const { code, err } = await plant.run(['--only', 'TAICB1046771', 'TAICB10467I2']);
  expect(code).toBe(2);
  expect(err).toContain('error PROVISION_SETTING_INVALID: --only TAICB10467I2');
  expect(one.calls).toEqual([]);
});

test('refused logins are counted over runs, and stop before the gateway locks the account', async () => {
  const journal = ['--journal', join(plant.folder, 'refused')];
  const one = await plant.gateway({
    serialNumber: 'TAICB1046771',
    password: 'other-Pass-1',
    mustChange: false,
  });
  for (let i = 0; i < 5; i += 1) await plant.run(journal);
  const last = await plant.run(['--json', ...journal]);
  expect(deviceEvents(last)).toMatchObject([{ failure: { code: 'PROVISION_LOGIN_PAUSED' } }]);
  expect(one.loginTries).toBe(5);
});

test('the steps of a job file are made, by model and serial, before provisioning is enabled', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const steps = [
    { path: '/system/services/sshserver/disable', method: 'PUT', post: { enable: false } },
    { path: '/api/v1/system/services/{model}/enable', method: 'put', serials: ['TAICB9999999'] },
    { path: '/system/services/modbusmaster/enable', method: 'PUT', models: ['UC-8112A-ME-T-LX'] },
  ];
  const { code } = await plant.run(['--job', await file({ steps })]);
  expect(code).toBe(0);
  expect(Object.fromEntries(one.services)).toEqual({ sshserver: false, modbusmaster: true });
  const enabled = one.calls.lastIndexOf('PATCH /azure-iotedge');
  expect(one.calls.indexOf('PUT /system/services/modbusmaster/enable')).toBeLessThan(enabled);
});

test('a wrong clock is set from this computer', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771', clockOffMs: -86_400_000 });
  const { out } = await plant.run([]);
  expect(out).toContain('clock: set, it was 86400 s slow');
  expect(Math.abs(one.clockOffMs ?? Infinity)).toBeLessThan(60_000);
});

test('initial twin and hub of the job file reach the enrollment, placeholders filled', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  const enrollment = { tags: { serial: '{serial}' }, iotHubHostName: 'hub.azure-devices.net' };
  await plant.run(['--job', await file({ enrollment })]);
  expect(plant.dps.enrollments.get('taicb1046771')).toMatchObject({
    iotHubHostName: 'hub.azure-devices.net',
    initialTwin: { tags: { serial: 'TAICB1046771' } },
  });
});

test('generated passwords are in the vault before a gateway gets them, and only the passphrase opens it', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const vault = join(plant.folder, 'vault');
  const [good, bad] = [join(plant.folder, 'pass'), join(plant.folder, 'wrong')];
  await writeFile(good, 'a long passphrase\n');
  await writeFile(bad, 'another passphrase\n');
  const run = async (key: string, ...args: string[]) =>
    tpeProvision([
      ...['run', ...plant.targets, ...plant.dpsFlags, '--id-scope', '0ne1', '--seconds', '0.3'],
      ...['--trust-on-first-use', '--vault', vault, '--vault-key-file', key, ...args],
    ]);
  expect((await run(good)).code).toBe(0);
  expect(one.password).not.toBe('admin@123');
  expect(await readFile(vault, 'utf8')).not.toContain(one.password);
  expect((await run(good)).code).toBe(0);
  expect((await run(bad)).err).toContain('error PROVISION_VAULT_UNREADABLE');
  const shown = await tpeProvision(['passwords', '--vault', vault, '--vault-key-file', good, '--json']);
  expect(shown.lines).toMatchObject([
    { serialNumber: 'TAICB1046771', user: 'admin', password: one.password },
  ]);
});

test('reports are written at the end of a run', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  const [csv, html] = [join(plant.folder, 'r.csv'), join(plant.folder, 'r.html')];
  await plant.run(['--report', csv, '--report', html]);
  expect(await readFile(csv, 'utf8')).toContain('TAICB1046771,');
  expect(await readFile(html, 'utf8')).toContain('100 %');
});

test('ten gateways are enrolled in one call', async () => {
  for (let n = 10; n < 20; n += 1) {
    await plant.gateway({ serialNumber: `TAICB10467${n}`, mac: `0090e80000${n}`, attestation: false });
  }
  expect((await plant.run([])).code).toBe(0);
  expect(plant.dps.enrollments.size).toBe(10);
  const writes = plant.dps.calls.filter((call) => !call.startsWith('GET '));
  expect(writes.length).toBeLessThan(10);
});

test('an interrupted run says so and loses nothing', async () => {
  const one = await plant.gateway({
    serialNumber: 'TAICB1046771',
    onEnable: (self) => {
      self.state = 'registering';
      abort.abort();
    },
  });
  const abort = new AbortController();
  const journal = ['--journal', join(plant.folder, 'interrupted')];
  const flags = ['--id-scope', '0ne1', '--seconds', '0.3', '--trust-on-first-use', '--json'];
  const outcome = await tpeProvision(
    ['run', ...plant.targets, ...plant.dpsFlags, ...plant.secrets, ...flags, ...journal],
    abort.signal,
  );
  expect(deviceEvents(outcome)).toMatchObject([{ failure: { code: 'PROVISION_INTERRUPTED' } }]);
  one.state = 'connected';
  expect((await plant.run(journal)).code).toBe(0);
});
