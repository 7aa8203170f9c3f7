import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TlsIdentity, loadOrCreateTlsIdentity } from '../../../src/agent/api/tls-identity';
import { parseSettings } from '../../../src/agent/config/settings';
import type { AgentFacts } from '../../../src/agent/local/reports';
import { allChecks, runChecks, verdict } from '../../../src/agentctl/checks/index';
import type { CheckContext, CheckResult, FileFacts, Machine } from '../../../src/agentctl/checks/types';
import { withTempFolder } from '../../support/temp';

const folder: FileFacts = { uid: 990, gid: 990, mode: 0o700, kind: 'folder' };
const tpmDevice: FileFacts = { uid: 110, gid: 110, mode: 0o660, kind: 'device' };
const problem = { code: 'TPM_ABSENT', message: 'This machine shows no TPM', advice: 'Enable it.' };

let tls: TlsIdentity | undefined;

beforeAll(async () => {
  tls = await withTempFolder((path) => loadOrCreateTlsIdentity(path, facts.identity, []));
});

/** A machine on which all is well; each test breaks one thing. */
const machine: Machine = {
  run: (program, args) => {
    const outputs: Record<string, string> = {
      findmnt: 'rw,relatime ext4\n',
      timedatectl: 'yes\n',
      'systemctl is-active': 'active\n',
      'systemctl show': '0\n',
      'systemd-analyze': '→ Overall exposure level for tpe-agent.service: 1.3 OK\n',
      nft: 'table inet filter { chain input { type filter hook input priority 0; policy accept; } }\n',
    };
    const output = outputs[`${program} ${args[0] ?? ''}`] ?? outputs[program];
    return Promise.resolve(output === undefined ? undefined : { status: 0, output });
  },
  stat: (path) => {
    if (path === '/var/lib/tpe-agent') return Promise.resolve(folder);
    if (path === '/dev/tpmrm0') return Promise.resolve(tpmDevice);
    if (path.endsWith('accounts.json')) return Promise.resolve({ ...folder, mode: 0o600, kind: 'file' });
    return Promise.resolve(undefined);
  },
  read: (path) =>
    Promise.resolve(
      path.endsWith('tls-key.pem') ? tls?.key : path.endsWith('tls-cert.pem') ? tls?.cert : undefined,
    ),
  freeBytes: () => Promise.resolve(4e9),
  userId: (name) => Promise.resolve({ 'tpe-agent': 990, tss: 110 }[name]),
  resolve: () => Promise.resolve(['20.0.0.1']),
  connect: () => Promise.resolve(undefined),
  listFiles: () => Promise.resolve(['accounts.json']),
  now: () => Date.parse('2026-12-01T00:00:00Z'),
  interfaces: () => [{ name: 'eth0', addresses: [{ address: '192.168.4.127' }] }],
};

const facts: AgentFacts = {
  version: '1.0.0',
  nodeVersion: 'v22.1.0',
  identity: {
    serialNumber: 'TAICB1046771',
    modelName: 'UC-8100A-ME-T-LX',
    mac: '0090e87946b5',
    firmwareVersion: '1.3.2',
    deviceId: 'd',
  },
  tpm: {
    manufacturer: 'IFX',
    vendor: 'SLB9670',
    firmwareVersion: '7.85',
    specRevision: '1.38',
    lockout: { active: false, counter: 0, maxTries: 32 },
    ownerAuthSet: false,
    endorsementAuthSet: false,
    tcti: 'device:/dev/tpmrm0',
    tssVersion: '4.2.0',
  },
  ek: { registrationId: 'r', endorsementKey: 'AA==', name: 'ab', persistent: true, certificate: 'AA==' },
  srk: { name: 'cd' },
  azure: {
    enable: true,
    globalEndpoint: 'https://global.azure-devices-provisioning.net',
    scopeId: '0ne1',
    registrationId: 'taicb1046771',
  },
  provisioning: {
    state: 'connected',
    since: '2026-12-01T00:00:00Z',
    assignedHub: 'hub',
    counters: { registrations: 1, connects: 1, tokens: 1 },
  },
  discovery: { enabled: false, port: 40404 },
  api: { address: '::', port: 8443, keySha256: '' },
  passwordMustChange: false,
  factory: { serialNumber: 'TAICB1046771', ekName: 'ab' },
};

const well: CheckContext = {
  machine,
  settings: parseSettings('', 'test'),
  facts,
  running: true,
  version: '1.0.0',
};

async function resultOf(
  id: string,
  context: CheckContext,
): Promise<{ result: CheckResult; advice?: string }> {
  const report = await runChecks(context, new Set());
  return report.find((row) => row.id === id)!;
}

const withFacts = (change: Partial<AgentFacts>): CheckContext => ({
  ...well,
  facts: { ...facts, ...change },
});
const withMachine = (change: Partial<Machine>): CheckContext => ({
  ...well,
  machine: { ...machine, ...change },
});
const withSettings = (toml: string): CheckContext => ({ ...well, settings: parseSettings(toml, 'test') });
const withTpm = (change: object): CheckContext => withFacts({ tpm: { ...facts.tpm, ...change } });
const withIdentity = (change: object): CheckContext =>
  withFacts({ identity: { ...facts.identity, ...change } });
const answering = (program: string, output: string): CheckContext =>
  withMachine({
    run: (name, args) =>
      name === program ? Promise.resolve({ status: 0, output }) : machine.run(name, args),
  });
/** What is known where no agent runs. */
function offline(): AgentFacts {
  const known: Partial<AgentFacts> = { ...facts };
  delete known.provisioning;
  delete known.discovery;
  delete known.api;
  delete known.passwordMustChange;
  return known as AgentFacts;
}

test('there are at least twenty checks, each documented under its own heading', async () => {
  expect(allChecks.length).toBeGreaterThanOrEqual(20);
  const text = await readFile(join(__dirname, '../../../docs/reference/checks.md'), 'utf8');
  const headings = [...text.matchAll(/^### `([a-z-]+)`$/gm)].map(([, id]) => id);
  expect(headings).toEqual(allChecks.map(({ id }) => id));
});

test('on a gateway where all is well nothing is found', async () => {
  const report = await runChecks(well, new Set());
  expect(report.filter(({ result }) => result !== 'ok')).toEqual([]);
  expect(verdict(report)).toBe('ok');
});

const broken: [string, CheckResult, string, CheckContext][] = [
  ['settings', 'warning', 'a persistent identity key', withSettings('[tpm]\nidentityKey = "persistent"')],
  ['state-folder', 'fatal', 'no state folder', withMachine({ stat: () => Promise.resolve(undefined) })],
  [
    'state-folder',
    'failed',
    'a state folder open to others',
    withMachine({ stat: () => Promise.resolve({ ...folder, mode: 0o755 }) }),
  ],
  [
    'state-folder',
    'failed',
    'a state folder of somebody else',
    withMachine({ stat: () => Promise.resolve({ ...folder, uid: 1000 }) }),
  ],
  [
    'state-files',
    'failed',
    "a file of root's in the state",
    withMachine({
      stat: (path) =>
        path.endsWith('.json') ? Promise.resolve({ ...folder, uid: 0, kind: 'file' }) : machine.stat(path),
    }),
  ],
  ['disk', 'failed', 'a full disk', withMachine({ freeBytes: () => Promise.resolve(1e6) })],
  ['disk', 'warning', 'a nearly full disk', withMachine({ freeBytes: () => Promise.resolve(1e8) })],
  ['read-only', 'failed', 'a read-only file system', answering('findmnt', 'ro,relatime ext4')],
  ['read-only', 'warning', 'a state in memory', answering('findmnt', 'rw tmpfs')],
  ['device-serial', 'warning', 'an unset serial number', withIdentity({ serialNumber: 'IMOXA1234567' })],
  ['device-serial', 'warning', 'no serial number', withIdentity({ serialNumber: '0090E87946B5' })],
  ['device-model', 'warning', 'no model name', withIdentity({ modelName: 'Unknown' })],
  ['device-mac', 'warning', 'a made-up MAC address', withIdentity({ mac: '020000000001' })],
  ['device-mac', 'failed', 'a group MAC address', withIdentity({ mac: '010000000001' })],
  [
    'factory-record',
    'warning',
    'a board swapped after the factory',
    withIdentity({ serialNumber: 'TAICB0000001' }),
  ],
  ['initial-password', 'warning', 'a password that nobody changed', withFacts({ passwordMustChange: true })],
  ['tpm', 'fatal', 'no TPM', withFacts({ tpm: problem })],
  [
    'tpm-device',
    'fatal',
    'no device file',
    withMachine({
      stat: (path) => (path.startsWith('/dev') ? Promise.resolve(undefined) : machine.stat(path)),
    }),
  ],
  [
    'tpm-device',
    'failed',
    'a device file closed to the group',
    withMachine({
      stat: (path) =>
        path.startsWith('/dev') ? Promise.resolve({ ...tpmDevice, mode: 0o600 }) : machine.stat(path),
    }),
  ],
  [
    'tpm-device',
    'warning',
    'no resource manager',
    withMachine({
      stat: (path) =>
        path === '/dev/tpm0'
          ? Promise.resolve(tpmDevice)
          : path === '/dev/tpmrm0'
            ? Promise.resolve(undefined)
            : machine.stat(path),
    }),
  ],
  [
    'tpm-version',
    'fatal',
    'a TPM 1.2',
    {
      ...withFacts({ tpm: problem }),
      machine: {
        ...machine,
        read: (path) => Promise.resolve(path.includes('version_major') ? '1\n' : undefined),
      },
    },
  ],
  [
    'tpm-lockout',
    'failed',
    'a locked-out TPM',
    withTpm({ lockout: { active: true, counter: 32, maxTries: 32 } }),
  ],
  [
    'tpm-lockout',
    'warning',
    'tries used up',
    withTpm({ lockout: { active: false, counter: 2, maxTries: 32 } }),
  ],
  [
    'tpm-authorizations',
    'failed',
    'an owner authorization that we do not have',
    {
      ...withTpm({ ownerAuthSet: true }),
      facts: { ...facts, tpm: { ...facts.tpm, ownerAuthSet: true }, srk: problem },
    },
  ],
  ['tss-version', 'warning', 'an old tpm2-tss', withTpm({ tssVersion: '3.2.1' })],
  ['tss-version', 'warning', 'a tpm2-tss before the last advisories', withTpm({ tssVersion: '4.1.3' })],
  [
    'ek',
    'failed',
    'another EK than the factory recorded',
    withFacts({ factory: { serialNumber: 'TAICB1046771', ekName: 'ff' } }),
  ],
  ['ek', 'failed', 'an EK that cannot be read', withFacts({ ek: problem })],
  [
    'ek-certificate',
    'warning',
    'no EK certificate',
    withFacts({ ek: { registrationId: 'r', endorsementKey: 'AA==', name: 'ab', persistent: true } }),
  ],
  ['srk', 'failed', 'an SRK that cannot be read', withFacts({ srk: problem })],
  [
    'identity-key',
    'failed',
    'a hub key that the TPM does not load',
    withFacts({
      provisioning: {
        ...facts.provisioning!,
        state: 'backingOff',
        lastError: { ...problem, at: '2026-12-01T00:00:00Z' },
      },
    }),
  ],
  ['interfaces', 'failed', 'no address', withMachine({ interfaces: () => [] })],
  ['clock', 'failed', 'a clock in 1970', withMachine({ now: () => 0 })],
  ['time-sync', 'warning', 'no time server', answering('timedatectl', 'no')],
  [
    'dns',
    'failed',
    'a name that does not resolve',
    withMachine({ resolve: () => Promise.reject(new Error('ENOTFOUND')) }),
  ],
  [
    'proxy',
    'failed',
    'a proxy that is not there',
    {
      ...withSettings('[azure]\nproxy = "http://proxy:3128"'),
      machine: { ...machine, connect: () => Promise.resolve('ECONNREFUSED') },
    },
  ],
  ['trusted-ca', 'failed', 'a CA file that is not there', withSettings('[azure]\ntrustedCaFile = "/none"')],
  ['azure-configuration', 'warning', 'no ID scope', withFacts({ azure: { ...facts.azure, scopeId: '' } })],
  [
    'azure-configuration',
    'warning',
    'provisioning switched off',
    withFacts({ azure: { ...facts.azure, enable: false } }),
  ],
  [
    'dps',
    'failed',
    'a DPS that cannot be reached',
    withMachine({ connect: () => Promise.resolve('self-signed certificate') }),
  ],
  [
    'hub',
    'failed',
    'a refused gateway',
    withFacts({ provisioning: { ...facts.provisioning!, state: 'failed' } }),
  ],
  [
    'hub',
    'warning',
    'a hub that is tried again',
    withFacts({ provisioning: { ...facts.provisioning!, state: 'backingOff' } }),
  ],
  ['agent', 'failed', 'an agent that does not run', { ...well, running: false }],
  ['versions', 'warning', 'an agent older than its package', withFacts({ version: '0.9.0' })],
  ['versions', 'failed', 'an old Node.js', withFacts({ nodeVersion: 'v18.20.4' })],
  ['restarts', 'warning', 'a service that was restarted', answering('systemctl', '3\n')],
  ['api-certificate', 'warning', 'no certificate', withMachine({ read: () => Promise.resolve(undefined) })],
  [
    'api-certificate',
    'failed',
    'a damaged certificate',
    withMachine({ read: () => Promise.resolve('garbage') }),
  ],
  [
    'api',
    'failed',
    'an API that does not answer',
    withMachine({ connect: () => Promise.resolve('ECONNREFUSED') }),
  ],
  [
    'discovery',
    'warning',
    'discovery open after commissioning',
    withFacts({ discovery: { enabled: true, port: 40404 } }),
  ],
  [
    'firewall',
    'warning',
    'a firewall that drops us',
    answering(
      'nft',
      'chain input { type filter hook input priority 0; policy drop;\n tcp dport 22 accept\n }',
    ),
  ],
  [
    'unit-hardening',
    'warning',
    'a weakened unit',
    answering('systemd-analyze', '→ Overall exposure level for tpe-agent.service: 9.2 UNSAFE'),
  ],
  ['helper', 'failed', 'a helper that does not listen', answering('systemctl', 'inactive\n')],
];

test.each(broken)('%s says %s for %s, with advice', async (id, expected, _what, context) => {
  const found = await resultOf(id, context);
  expect(found.result).toBe(expected);
  expect(found.advice).toMatch(/\w{4}/);
});

test('every check is seen failing or warning above, or needs nothing but an answer', () => {
  const covered = new Set(broken.map(([id]) => id));
  expect(allChecks.map(({ id }) => id).filter((id) => !covered.has(id))).toEqual([]);
});

test('without a running agent what only it knows is skipped', async () => {
  const report = await runChecks({ ...well, facts: offline(), running: false }, new Set());
  const skipped = report.filter(({ result }) => result === 'skipped').map(({ id }) => id);
  expect(skipped).toEqual(['initial-password', 'identity-key', 'hub', 'api', 'discovery']);
});

test('without a TPM its checks are skipped, and the verdict is fatal', async () => {
  const report = await runChecks(withFacts({ tpm: problem, ek: problem, srk: problem }), new Set());
  expect(report.filter(({ result }) => result === 'skipped').map(({ id }) => id)).toEqual([
    'tpm-version',
    'tpm-lockout',
    'tpm-authorizations',
    'tss-version',
    'ek',
    'ek-certificate',
    'srk',
  ]);
  expect(verdict(report)).toBe('fatal');
});

test('a finding that is ignored does not count, and a good result is not hidden', async () => {
  const report = await runChecks(withFacts({ tpm: problem }), new Set(['tpm', 'clock']));
  expect(report.find(({ id }) => id === 'tpm')?.result).toBe('ignored');
  expect(report.find(({ id }) => id === 'clock')?.result).toBe('ok');
  expect(verdict(report)).toBe('ok');
});

test('a check that breaks is a failed check, not the end of the report', async () => {
  const report = await runChecks(
    withMachine({ freeBytes: () => Promise.reject(new Error('EIO')) }),
    new Set(),
  );
  expect(report).toHaveLength(allChecks.length);
  expect(report.find(({ id }) => id === 'disk')?.detail).toContain('EIO');
});
