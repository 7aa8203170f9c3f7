import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AzureConfiguration,
  type AzureProvisioningChange,
} from '../../../src/agent/config/azure-configuration';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-azure-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function open(overrides: { dpsHosts?: string[]; hasTpm?: boolean } = {}): Promise<AzureConfiguration> {
  return AzureConfiguration.open(folder, {
    dpsHosts: overrides.dpsHosts ?? [],
    hasTpm: () => overrides.hasTpm ?? true,
    defaultRegistrationId: 'taicb1046771',
  });
}

const writeBack = {
  source: 'dps',
  method: 'tpm',
  globalEndpoint: 'https://global.azure-devices-provisioning.net',
  registrationId: 'taicb1046771',
  scopeId: '0ne000A1B2C',
} as const;

test('a gateway from the factory has DPS disabled and its serial number as registration ID', async () => {
  expect((await open()).current()).toEqual({
    enable: false,
    source: 'manual',
    method: 'tpm',
    globalEndpoint: 'https://global.azure-devices-provisioning.net',
    scopeId: '',
    registrationId: 'taicb1046771',
  });
});

test('write-back, then enable, survives a restart', async () => {
  const configuration = await open();
  await configuration.patch(writeBack);
  await configuration.patch({ enable: true });
  expect((await open()).current()).toEqual({ ...writeBack, enable: true });
});

test.each<[string, AzureProvisioningChange]>([
  ['dps provisioning need scopeId', { source: 'dps' }],
  ['dps provisioning need scopeId', { ...writeBack, scopeId: '' }],
  ['dps mode need registration ID', { ...writeBack, registrationId: '' }],
  [
    "registrationID only support lowercase alphanumeric and dash ('-') characters",
    { registrationId: 'TAICB1046771' },
  ],
  [
    "registrationID only support lowercase alphanumeric and dash ('-') characters",
    { registrationId: 'taicb 1046771' },
  ],
  ['registrationId len need length < 128', { registrationId: 'a'.repeat(129) }],
  ['scopeId len need < 128', { scopeId: 'a'.repeat(129) }],
  [
    'globalEndpoint need start with https://',
    { globalEndpoint: 'http://global.azure-devices-provisioning.net' },
  ],
  ['globalEndpoint need start with https://', { globalEndpoint: '' }],
  [
    'globalEndpoint need to be https://HOST or https://HOST:PORT',
    { globalEndpoint: 'https://global.azure-devices-provisioning.net/x' },
  ],
  ['globalEndpoint need to be https://HOST or https://HOST:PORT', { globalEndpoint: 'https://' }],
  ['globalEndpoint need to be https://HOST or https://HOST:PORT', { globalEndpoint: 'https://h:99999' }],
  ['source need one of dps or manual', { source: 'aws' }],
  ['method need one of tpm, symmetricKey or x509', { method: 'password' }],
  ['only source dps with method tpm can be enabled', { enable: true }],
  ['only source dps with method tpm can be enabled', { ...writeBack, method: 'x509', enable: true }],
])('a refused change answers 400 "… %s" and changes nothing: %#', async (message, change) => {
  const configuration = await open();
  const before = configuration.current();
  await expect(configuration.patch(change)).rejects.toMatchObject({
    message: `invalid input, err: ${message}`,
    status: 400,
  });
  expect(configuration.current()).toEqual(before);
});

test('a gateway without TPM refuses dps-tpm with the documented message', async () => {
  const configuration = await open({ hasTpm: false });
  await expect(configuration.patch(writeBack)).rejects.toMatchObject({
    message: 'invalid input, err: dps-tpm mode but this device is not support TPM',
    status: 400,
  });
});

test.each([
  'https://rogue.example',
  'https://azure-devices-provisioning.net.rogue.example',
  'https://evil-azure-devices-provisioning.net',
  'https://azure-devices-provisioning.net',
  'https://localhost:8443',
  'https://10.0.0.1',
])('an endpoint that is no DPS host of Azure is refused: %s', async (globalEndpoint) => {
  const configuration = await open();
  await expect(configuration.patch({ globalEndpoint })).rejects.toMatchObject({
    code: 'AZURE_ENDPOINT_NOT_ALLOWED',
    status: 400,
  });
});

test.each([
  ['https://global.azure-devices-provisioning.cn', []],
  ['https://my-dps.azure-devices-provisioning.net:8443/', []],
  ['https://localhost:18443', ['localhost']],
  ['https://localhost:18443', ['LOCALHOST:18443']],
  ['https://[::1]:18443', ['[::1]']],
  ['https://[::1]:18443', ['::1']],
])(
  'an endpoint of Azure or of the settings file is taken: %s with dpsHosts %j',
  async (globalEndpoint, dpsHosts) => {
    const configuration = await open({ dpsHosts });
    await expect(configuration.patch({ globalEndpoint })).resolves.toMatchObject({ globalEndpoint });
  },
);

test('an allowed host with another port than the configured one is refused', async () => {
  const configuration = await open({ dpsHosts: ['localhost:18443'] });
  await expect(configuration.patch({ globalEndpoint: 'https://localhost:18444' })).rejects.toMatchObject({
    code: 'AZURE_ENDPOINT_NOT_ALLOWED',
  });
});

test('IDs of exactly 128 characters are taken', async () => {
  const configuration = await open();
  const id = 'a'.repeat(128);
  await expect(configuration.patch({ scopeId: id, registrationId: id })).resolves.toMatchObject({
    scopeId: id,
  });
});

test('changes at the same time are all kept', async () => {
  const configuration = await open();
  await Promise.all([
    configuration.patch({ scopeId: '0ne1' }),
    configuration.patch({ registrationId: 'gw-1' }),
    configuration.patch({ method: 'tpm' }),
  ]);
  expect((await open()).current()).toMatchObject({ scopeId: '0ne1', registrationId: 'gw-1' });
});

test('a change is told once, the same value again is not', async () => {
  const configuration = await open();
  const told: string[] = [];
  configuration.on('change', (settings) => told.push(settings.scopeId));
  await configuration.patch({ scopeId: '0ne1' });
  await configuration.patch({ scopeId: '0ne1' });
  await configuration.reset();
  expect(told).toEqual(['0ne1', '']);
});

test('a file cut at any byte is read from its twin', async () => {
  const configuration = await open();
  await configuration.patch(writeBack);
  const path = join(folder, 'azure.json');
  const whole = await readFile(path);
  for (let length = 0; length < whole.length; length += 1) {
    await writeFile(path, whole);
    await truncate(path, length);
    expect((await open()).current().scopeId).toBe(writeBack.scopeId);
  }
});

test('both copies damaged: the default is in force, says why, and can be written again', async () => {
  const configuration = await open();
  await configuration.patch(writeBack);
  await writeFile(join(folder, 'azure.json'), '{');
  await writeFile(join(folder, 'azure.json.twin'), '');
  const damaged = await open();
  expect(damaged.current().enable).toBe(false);
  expect(damaged.damage?.code).toBe('STATE_DAMAGED');
  await damaged.patch(writeBack);
  expect(damaged.damage).toBeUndefined();
  expect((await open()).current().scopeId).toBe(writeBack.scopeId);
});
