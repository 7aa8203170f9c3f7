import { X509Certificate, createHash, createPublicKey } from 'node:crypto';
import { chmod, chown, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Accounts } from '../../../src/agent/accounts/accounts';
import { PasswordHasher } from '../../../src/agent/accounts/password-hasher';
import { ADMINISTRATOR } from '../../../src/agent/accounts/permissions';
import { UserManagement } from '../../../src/agent/accounts/user-management';
import { factoryStateFile } from '../../../src/agent/config/factory-state';
import { lockState } from '../../../src/agent/config/instance-lock';
import { type Settings, parseSettings } from '../../../src/agent/config/settings';
import { type FactoryInitArgs, type FactoryRecord, factoryInit } from '../../../src/agent/local/factory-init';
import {
  finishFactoryReset,
  requestFactoryReset,
  restoreInitialAccounts,
} from '../../../src/agent/local/factory-reset';
import { asOwnerOf } from '../../../src/agentctl/as-owner';
import { RECORD_COLUMNS, withRow, writeRecord } from '../../../src/agentctl/factory-record';
import { labelText } from '../../../src/agentctl/label';
import { withLockedState } from '../../../src/agentctl/offline';
import { systemClock as clock } from '../../../src/common/clock';
import { DEFAULT_PASSWORD } from '../../../src/protocol/api-types';
import { type Swtpm, startSwtpm } from '../../support/swtpm';
import { withTempFolder } from '../../support/temp';

const NOBODY = 65_534;

let tpm: Swtpm;

beforeAll(async () => {
  tpm = await startSwtpm({ ekCert: true });
});

afterAll(() => tpm.stop());

afterEach(async () => {
  expect(await tpm.transientHandles()).toEqual([]);
  expect(await tpm.sessions()).toEqual([]);
});

async function settingsIn(folder: string): Promise<Settings> {
  const state = join(folder, 'state');
  await mkdir(state, { mode: 0o700 });
  return parseSettings(
    `[paths]\nstate = ${JSON.stringify(state)}\n[device]\nserialNumber = "TAICB1046771"\nmodelName = "UC-8100A-ME-T-LX"\nmacAddress = "00:90:e8:79:46:b5"\nfirmwareVersion = "1.3.2"\n[tpm]\ntcti = ${JSON.stringify(tpm.tcti)}\n`,
    'test',
  );
}

const init = (settings: Settings, args: FactoryInitArgs = {}): Promise<FactoryRecord> =>
  withLockedState(settings, {}, (dependencies) => factoryInit(dependencies, args));

async function canLogIn(settings: Settings, password: string): Promise<boolean> {
  const accounts = await Accounts.open({
    stateFolder: settings.paths.state,
    clock,
    hasher: new PasswordHasher(),
  });
  return accounts.login('admin', password, '127.0.0.1').then(
    () => true,
    () => false,
  );
}

test('the factory step gives a gateway keys, a TLS key and a password of its own, and repeating it changes nothing', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    const first = await init(settings);
    expect(first).toMatchObject({
      serialNumber: 'TAICB1046771',
      mac: '0090e87946b5',
      registrationId: 'taicb1046771',
      ekName: expect.stringMatching(/^000b[0-9a-f]{64}$/) as string,
    });
    expect(Buffer.from(first.endorsementKey, 'base64').length).toBeGreaterThan(300);
    const certificate = new X509Certificate(Buffer.from(first.ekCertificate, 'base64'));
    const modulus = Buffer.from(first.endorsementKey, 'base64').subarray(-256);
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' }).includes(modulus)).toBe(true);
    expect(first.initialPassword).toMatch(/^[A-Za-z2-9]{4}-[A-Za-z2-9]{4}-[A-Za-z2-9]{4}$/);
    expect(await tpm.persistentHandles()).toEqual(expect.arrayContaining([0x81000001, 0x81010001]));
    const key = createPublicKey(await readFile(join(settings.paths.state, 'tls-key.pem'), 'utf8'));
    const spki = key.export({ type: 'spki', format: 'der' });
    expect(first.keySha256).toBe(createHash('sha256').update(spki).digest('base64'));
    expect(await canLogIn(settings, first.initialPassword)).toBe(true);
    expect(await canLogIn(settings, DEFAULT_PASSWORD)).toBe(false);

    const again = await init(settings, { knownPassword: first.initialPassword });
    expect(again).toEqual(first);
    expect(await init(settings, { knownPassword: 'not-the-one-4711' })).toEqual({
      ...first,
      initialPassword: '',
    });

    const renewed = await init(settings, { renewPassword: true });
    expect(renewed.initialPassword).not.toBe(first.initialPassword);
    expect(await canLogIn(settings, first.initialPassword)).toBe(false);
    expect(await canLogIn(settings, renewed.initialPassword)).toBe(true);
  });
});

test('every file of the state is its owner’s alone, and none holds the password', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    const { initialPassword } = await init(settings);
    const names = await readdir(settings.paths.state);
    expect(names).toEqual(expect.arrayContaining(['accounts.json', 'factory.json', 'tls-key.pem']));
    for (const name of names) {
      const path = join(settings.paths.state, name);
      expect((await stat(path)).mode & 0o077).toBe(0);
      expect(await readFile(path, 'utf8')).not.toContain(initialPassword);
    }
  });
});

test('so does one whose first administrator made another one and was deleted', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    await init(settings);
    const hasher = new PasswordHasher();
    const accounts = await Accounts.open({ stateFolder: settings.paths.state, clock, hasher });
    const management = new UserManagement(accounts, hasher);
    await management.create({ name: 'plant', password: 'Chosen-by-us-1', roleIds: [ADMINISTRATOR] });
    await expect(init(settings)).rejects.toMatchObject({ code: 'FACTORY_COMMISSIONED' });
    await management.remove(1);
    await expect(init(settings)).rejects.toMatchObject({ code: 'FACTORY_COMMISSIONED' });
  });
});

test('a gateway that was commissioned refuses the factory step until it is reset', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    const { initialPassword } = await init(settings);
    const stateFolder = settings.paths.state;
    const accounts = await Accounts.open({ stateFolder, clock, hasher: new PasswordHasher() });
    await accounts.changeOwnPassword(
      1,
      { newPassword: 'Chosen-by-us-1', oldPassword: initialPassword },
      '127.0.0.1',
    );
    await expect(init(settings)).rejects.toMatchObject({ code: 'FACTORY_COMMISSIONED' });
    await requestFactoryReset(settings.paths);
    expect(await finishFactoryReset(settings.paths)).toBe(true);
    expect((await init(settings, { knownPassword: initialPassword })).initialPassword).toBe(initialPassword);
  });
});

test('a reset purges what the field wrote and gives the factory’s own password back, never the well-known one', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    const { initialPassword, keySha256 } = await init(settings);
    const { state, audit } = settings.paths;
    for (const name of ['connection.json', 'azure.json', 'discovery.json', 'services.json']) {
      await writeFile(join(state, name), '{}');
    }
    await mkdir(audit, { recursive: true });
    await writeFile(join(audit, 'audit.jsonl'), 'who did what');
    await requestFactoryReset(settings.paths);
    await finishFactoryReset(settings.paths);
    expect((await readdir(state)).sort()).toEqual([
      'accounts.json',
      'accounts.json.twin',
      'factory.json',
      'factory.json.twin',
      'tls-cert.pem',
      'tls-key.pem',
    ]);
    expect(await canLogIn(settings, initialPassword)).toBe(true);
    expect(await canLogIn(settings, DEFAULT_PASSWORD)).toBe(false);
    expect((await init(settings)).keySha256).toBe(keySha256);
  });
});

test('a reset that is cut off at any file is finished by the next start', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    const { initialPassword } = await init(settings);
    const { state } = settings.paths;
    // What a power cut leaves behind: the decision is on disk, the accounts are gone, other files are not.
    await requestFactoryReset(settings.paths);
    await writeFile(join(state, 'connection.json'), '{}');
    await writeFile(join(state, 'accounts.json'), 'half a fi');
    expect(await finishFactoryReset(settings.paths)).toBe(true);
    expect(await finishFactoryReset(settings.paths)).toBe(false);
    expect(await readdir(state)).not.toContain('connection.json');
    expect(await canLogIn(settings, initialPassword)).toBe(true);
  });
});

test('a factory step that is cut off before the accounts have the password is mended by the next one', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    const cutOff = withLockedState(settings, {}, (dependencies) =>
      factoryInit({ ...dependencies, setInitialPassword: () => Promise.reject(new Error('power cut')) }, {}),
    );
    await expect(cutOff).rejects.toThrow('power cut');
    await init(settings);
    expect(await canLogIn(settings, DEFAULT_PASSWORD)).toBe(false);
    const { initialPassword } = await init(settings, { renewPassword: true });
    expect(await canLogIn(settings, initialPassword)).toBe(true);
  });
});

test('a reset empties an audit folder that cannot be removed itself', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    // As /var/log/tpe-agent: the service's own, in a folder that is not.
    const audit = join(folder, 'log', 'audit');
    await mkdir(audit, { recursive: true });
    await writeFile(join(audit, 'audit.jsonl'), '{}\n');
    const paths = { state: settings.paths.state, audit };
    await requestFactoryReset(paths);
    if (process.geteuid?.() === 0) {
      await chmod(folder, 0o755);
      for (const path of [audit, paths.state]) await chown(path, NOBODY, NOBODY);
    } else {
      await chmod(dirname(audit), 0o555);
    }
    expect(await asOwnerOf(paths.state, () => finishFactoryReset(paths))).toBe(true);
    expect(await readdir(audit)).toEqual([]);
    expect(await finishFactoryReset(paths)).toBe(false);
    await chmod(dirname(audit), 0o755);
  });
});

test('a TLS key that the customer put in place does not survive the reset', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    await init(settings);
    await writeFile(join(settings.paths.state, 'tls-key.pem'), 'another key');
    await requestFactoryReset(settings.paths);
    await finishFactoryReset(settings.paths);
    expect(await readdir(settings.paths.state)).not.toContain('tls-key.pem');
  });
});

test('accounts that vanish come back with the factory’s password', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    const { initialPassword } = await init(settings);
    await requestFactoryReset(settings.paths);
    await finishFactoryReset(settings.paths);
    const { state } = settings.paths;
    for (const name of ['accounts.json', 'accounts.json.twin']) await rm(join(state, name));
    await restoreInitialAccounts(settings.paths);
    expect(await canLogIn(settings, initialPassword)).toBe(true);
  });
});

test('without a factory step a reset leaves a gateway that is wholly new', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    await writeFile(join(settings.paths.state, 'azure.json'), '{}');
    await requestFactoryReset(settings.paths);
    await finishFactoryReset(settings.paths);
    expect(await readdir(settings.paths.state)).toEqual([]);
    await restoreInitialAccounts(settings.paths);
    expect(await readdir(settings.paths.state)).toEqual([]);
  });
});

test('a gateway without a TPM goes through only when that is said', async () => {
  await withTempFolder(async (folder) => {
    const settings = {
      ...(await settingsIn(folder)),
      tpm: { tcti: 'device:/dev/none', ekTemplate: 'tcg', identityKey: 'wrapped' },
    } as const;
    await expect(init(settings)).rejects.toMatchObject({ code: 'TPM_ABSENT' });
    expect(await factoryStateFile(settings.paths.state).load()).toBeUndefined();
    const record = await init(settings, { withoutTpm: true });
    expect(record).toMatchObject({ endorsementKey: '', ekName: '', ekCertificate: '' });
  });
});

test('the state is locked meanwhile, and a second instance is refused', async () => {
  await withTempFolder(async (folder) => {
    const settings = await settingsIn(folder);
    const lock = await lockState(settings.paths.state);
    await expect(init(settings)).rejects.toMatchObject({ code: 'STATE_IN_USE' });
    await lock.release();
  });
});

const sample: FactoryRecord = {
  serialNumber: 'TAICB1046771',
  mac: '0090e87946b5',
  modelName: 'UC-8112, "LX"',
  firmwareVersion: '1.0',
  registrationId: 'taicb1046771',
  endorsementKey: 'AToAAQ==',
  ekName: '000b',
  ekCertificate: '',
  keySha256: 'abc=',
  initialPassword: 'Xk7u-Pq3m-Rt9w',
  initializedAt: '2026-11-23T00:00:00Z',
};

test('record, list and label are the owner’s alone, and a second run replaces the device’s row', async () => {
  await withTempFolder(async (folder) => {
    const files = await writeRecord(join(folder, 'out'), sample);
    await writeRecord(join(folder, 'out'), { ...sample, serialNumber: 'TAICB1046772' });
    await writeRecord(join(folder, 'out'), sample);
    for (const path of files) expect((await stat(path)).mode & 0o777).toBe(0o600);
    const rows = (await readFile(join(folder, 'out/factory.csv'), 'utf8')).split('\r\n');
    expect(rows[0]).toBe(RECORD_COLUMNS.join(','));
    expect(rows.slice(1).map((row) => row.split(',')[0])).toEqual(['TAICB1046772', 'TAICB1046771', '']);
    expect(rows[1]).toContain('"UC-8112, ""LX"""');
    const svg = await readFile(files[2]!, 'utf8');
    expect(svg).toContain('S/N TAICB1046771');
    expect(svg).toContain('<path');
    expect(labelText(sample)).toBe(
      'tpe:1?sn=TAICB1046771&mac=0090e87946b5&rid=taicb1046771&pw=Xk7u-Pq3m-Rt9w&key=abc%3D',
    );
  });
});

test('a serial number that tries to leave the folder stays in it', async () => {
  await withTempFolder(async (folder) => {
    const [json] = await writeRecord(folder, { ...sample, serialNumber: '../../evil' });
    expect(json).toBe(join(folder, '______evil.json'));
  });
});

test('the list keeps a password that a later run does not know, until another one is made', () => {
  const first = withRow('', sample);
  const unknown = { ...sample, initialPassword: '' };
  expect(withRow(first, unknown)).toBe(first);
  const renewed = withRow(first, { ...unknown, initializedAt: '2027-01-01T00:00:00.000Z' });
  expect(renewed).not.toContain(sample.initialPassword);
});

test('the list keeps rows that it does not know', () => {
  const header = `${RECORD_COLUMNS.join(',')}\r\n`;
  expect(withRow(`${header}A,1,x\r\n`, sample).split('\r\n')[1]).toBe('A,1,x');
});
