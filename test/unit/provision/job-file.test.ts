import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobFile, loadJobFile } from '../../../src/provision/settings/job-file';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-job-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function load(text: string): Promise<JobFile> {
  const path = join(folder, 'job');
  await writeFile(path, text);
  return loadJobFile(path);
}

test('YAML and JSON say the same', async () => {
  const expected = { dps: { idScope: '0ne1' }, services: { disable: ['sshserver'] } };
  expect(await load('dps:\n  idScope: 0ne1\nservices:\n  disable: [sshserver]\n')).toEqual(expected);
  expect(await load(JSON.stringify(expected))).toEqual(expected);
});

test('files that it names lie beside it, absolute ones stay', async () => {
  const job = await load(
    'gateways: { from: factory.csv, vault: /srv/vault }\njournal: j\nreports: [a.csv]\ndps: { ca: ca.pem, idScope: x }\n',
  );
  expect(job).toEqual({
    gateways: { from: join(folder, 'factory.csv'), vault: '/srv/vault' },
    journal: join(folder, 'j'),
    reports: [join(folder, 'a.csv')],
    dps: { ca: join(folder, 'ca.pem'), idScope: 'x' },
  });
});

test('an empty file sets nothing', async () => {
  expect(await load('')).toEqual({});
});

test.each([
  ['a key that is not known', 'dps:\n  idScope: x\n  idScop: y\n', /^line 3/],
  ['a wrong type', 'discovery:\n  port: high\n', /^line 2, column 9/],
  ['a number out of range', '{\n "concurrency": 100000\n}', /^line 2, column 17/],
  ['a step without a path', 'steps:\n  - method: PUT\n', /^line 2/],
  ['YAML that is broken', 'dps:\n  idScope: "x\n', /^line \d/],
  ['a list instead of an object', '- 1\n', /^line 1/],
])('%s is told with its line', async (_what, text, place) => {
  await expect(load(text)).rejects.toMatchObject({
    code: 'VALUE_INVALID',
    details: { place: expect.stringMatching(place) as string },
  });
});

test("a step file of Moxa's tool gives DPS settings, twin and REST steps, but no key", async () => {
  const job = await load(
    JSON.stringify({
      steps: [
        {
          target: 'provision iot edge using dps',
          description: '',
          scope: 'name.azure-devices-provisioning.net',
          keyName: 'provisioningserviceowner',
          key: 'c2VjcmV0',
          scopeId: '0ne1',
          iotHubHostName: 'hub.azure-devices.net',
          initialTwin: { tags: { plant: '7' }, properties: { desired: {} } },
          generateDownstreamCertificate: false,
          enableIoTEdge: true,
        },
        {
          target: 'device',
          description: 'name',
          path: '/api/v1/device/general',
          method: 'patch',
          post: { hostName: 'gw' },
        },
      ],
    }),
  );
  expect(job).toEqual({
    dps: {
      endpoint: 'name.azure-devices-provisioning.net',
      policyName: 'provisioningserviceowner',
      idScope: '0ne1',
    },
    enrollment: { iotHubHostName: 'hub.azure-devices.net', tags: { plant: '7' }, desired: {}, iotEdge: true },
    steps: [expect.objectContaining({ path: '/api/v1/device/general', method: 'patch' })],
  });
  expect(JSON.stringify(job)).not.toContain('c2VjcmV0');
});
