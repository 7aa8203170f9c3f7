import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateStorageKey } from '../../support/gateway-simulator-keys';
import { Plant, tpeProvision } from '../../support/gateway-simulator-plant';

let plant: Plant;
beforeAll(async () => {
  plant = await Plant.open();
});
afterEach(() => plant.clear());
afterAll(() => plant.close());

const ek = generateStorageKey('ek').public.toString('base64');
const otherEk = generateStorageKey('ek').public.toString('base64');

async function csv(...rows: string[]): Promise<string> {
  const path = join(plant.folder, 'factory.csv');
  await writeFile(path, `${['Serial No.,MAC,Endorsement Key', ...rows].join('\n')}\n`);
  return path;
}

test('discover lists the columns of the table and one JSON object a gateway', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  const table = await tpeProvision(['discover', ...plant.targets, '--seconds', '0.3']);
  expect(table.out).toMatch(/^IP +Port +MAC +Model Name +Serial No\. +Version\n127\.0\.0\.1 /);
  const json = await tpeProvision(['discover', ...plant.targets, '--seconds', '0.3', '--json']);
  expect(json.lines).toMatchObject([{ serialNumber: 'TAICB1046771', mac: '0090e8000001' }]);
});

test('a factory list is enrolled without any gateway, and deleted again', async () => {
  const file = await csv(`TAICB1046771,00:90:E8:00:00:01,${ek}`, `TAICB1046772,,${otherEk}`);
  const made = await tpeProvision(['enroll', '--from', file, ...plant.dpsFlags, '--json']);
  expect(made.code).toBe(0);
  expect(made.lines.map((line) => line['outcome'])).toEqual(['created', 'created']);
  expect([...plant.dps.enrollments.keys()].sort()).toEqual(['taicb1046771', 'taicb1046772']);
  const gone = await tpeProvision(['enroll', '--delete', 'taicb1046771', 'nobody', ...plant.dpsFlags]);
  expect(gone.out).toContain('taicb1046771 deleted');
  expect(gone.out).toContain('nobody not there');
  expect(plant.dps.enrollments.size).toBe(1);
});

test('lines with the same key or the same registration ID are refused, the others enrolled', async () => {
  const third = generateStorageKey('ek').public.toString('base64');
  const rows = [`A1,,${ek}`, `A2,,${ek}`, `B1,,${otherEk}`, `b1,,`, `C1,,${third}`];
  const { code, out } = await tpeProvision(['enroll', '--from', await csv(...rows), ...plant.dpsFlags]);
  expect(code).toBe(1);
  expect(out).toContain(
    'a1 FAILED PROVISION_EK_REUSED: The endorsement key of A1 (line 2) was already shown by A2',
  );
  expect(out).toContain('b1 FAILED PROVISION_REGISTRATION_ID_SHARED');
  expect([...plant.dps.enrollments.keys()]).toEqual(['c1']);
});

test('a dry run says what it would do and writes nothing', async () => {
  const file = await csv(`TAICB1046771,,${ek}`);
  const { out } = await tpeProvision(['enroll', '--from', file, '--dry-run', ...plant.dpsFlags]);
  expect(out).toContain('taicb1046771 would be created');
  expect(plant.dps.calls.every((call) => call.startsWith('GET '))).toBe(true);
});

test.each([
  ['a key that is cut', 'TAICB1046771,,AToAAQ==', 'line 2'],
  ['a MAC that is none', 'TAICB1046771,nonsense,', 'line 2'],
  ['too many cells', 'TAICB1046771,,,', 'line 2'],
])('a factory list with %s names the line', async (_what, row, place) => {
  const { code, err } = await tpeProvision(['enroll', '--from', await csv(row), ...plant.dpsFlags]);
  expect(code).toBe(1);
  expect(err).toContain('error VALUE_INVALID');
  expect(err).toContain(place);
  expect(plant.dps.calls).toEqual([]);
});

test('status shows agreement after a run, and names what differs', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  await plant.run([]);
  const good = await plant.look('status', ['--json']);
  expect(good.lines).toMatchObject([{ disagreements: [], device: { status: { state: 'connected' } } }]);
  const stored = plant.dps.enrollments.get('taicb1046771')!;
  stored.attestation.tpm.endorsementKey = ek;
  one.provisioning.enable = false;
  const { out } = await plant.look('status', []);
  expect(out).toContain('TAICB1046771: the enrollment holds another endorsement key than the gateway has');
  expect(out).toContain('TAICB1046771: provisioning is switched off on the gateway');
});

test('verify passes a provisioned gateway and fails one without enrollment', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  await plant.run([]);
  const good = await plant.look('verify', ['--id-scope', '0ne00012345']);
  expect(good.out).toContain('1 of 1 passed');
  expect(good.code).toBe(0);
  plant.dps.enrollments.clear();
  const bad = await plant.look('verify', ['--json']);
  expect(bad.code).toBe(1);
  expect(bad.lines).toMatchObject([{ result: 'failed' }]);
});

test('verify and status take keys and gateways from the journal, those that are gone included', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  const two = await plant.gateway({ serialNumber: 'TAICB1046772', mac: '0090e8000002' });
  const journal = ['--journal', join(plant.folder, 'look')];
  expect((await plant.run(journal)).code).toBe(0);
  // Discovery has closed, and nobody says that keys are to be trusted.
  const away = ['--target', '127.0.0.1:9', '--seconds', '0.1'];
  const flags = [...away, ...plant.dpsFlags, ...plant.secrets, ...journal];
  const good = await tpeProvision(['verify', ...flags]);
  expect(good.out).toContain('2 of 2 passed');
  await two.stop();
  plant.gateways.pop();
  const bad = await tpeProvision(['verify', ...flags, '--json']);
  expect(bad.code).toBe(1);
  expect(bad.lines.map((line) => line['result'])).toEqual(['passed', 'failed']);
  const status = await tpeProvision(['status', ...flags, '--only', 'TAICB1046772']);
  expect(status.out).toMatch(/TAICB1046772 +taicb1046772 +HTTP_UNREACHABLE .*enrolled/);
  expect(status.out).not.toContain('TAICB1046771');
});

test('verify refuses a gateway that still has its initial password', async () => {
  await plant.gateway({ serialNumber: 'TAICB1046771' });
  const { code, out } = await plant.look('verify', []);
  expect(code).toBe(1);
  expect(out).toContain('FAILED  login');
});
