import { execFile } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DEFAULT_PASSWORD } from '../../src/protocol/api-types';
import { ctl, json } from '../support/agentctl';
import { gatewayFixture } from '../support/gateway-fixture';
import { Program } from '../support/process';
import { withTempFolder } from '../support/temp';
import { waitFor } from '../support/wait';

const run = promisify(execFile);

const { tpm, started } = gatewayFixture();

test('status, ek and check say the same through the running agent and on the state alone', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    const live = await json('status', '--config', config);
    expect(live).toMatchObject({
      running: true,
      pid: gateway.process?.pid,
      identity: { serialNumber: 'TAICB1046771', mac: '0090e87946b5' },
      provisioning: { state: 'unconfigured' },
      tpm: { available: true },
      api: { port: gateway.apiPort },
    });
    const ek = await json('ek', '--config', config);
    expect(ek).toMatchObject({ registrationId: 'taicb1046771' });

    await gateway.stop();
    const before = await readdir(gateway.stateFolder);
    expect(await json('ek', '--config', config)).toEqual(ek);
    expect(await json('status', '--config', config)).toMatchObject({
      running: false,
      tpm: { available: true },
    });
    expect(await readdir(gateway.stateFolder)).toEqual(before);
  });
});

test('check names what is wrong, by exit code and JSON', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    // Nothing of this may leave the machine.
    await gateway.takeOver();
    await gateway.data('PATCH', '/azure-iotedge', {
      provisioning: { globalEndpoint: 'https://localhost:1' },
    });
    const { code, out } = await ctl('check', '--json', '--config', config);
    const { verdict, checks } = JSON.parse(out) as {
      verdict: string;
      checks: { id: string; result: string }[];
    };
    const resultOf = (id: string): string | undefined => checks.find((each) => each.id === id)?.result;
    expect(checks.length).toBeGreaterThanOrEqual(20);
    expect(code).toBe(['failed', 'fatal'].includes(verdict) ? 1 : 0);
    for (const id of [
      'settings',
      'tpm',
      'ek',
      'srk',
      'tpm-lockout',
      'agent',
      'api',
      'api-certificate',
      'clock',
      'state-folder',
    ]) {
      expect([id, resultOf(id)]).toEqual([id, 'ok']);
    }
    expect(resultOf('initial-password')).toBe('ok');
    expect(resultOf('dps')).toBe('warning');
    expect((await ctl('check', '--ignore', 'nothing', '--config', config)).err).toContain('CHECK_UNKNOWN');
  });
});

test('a second agent on the same state is refused with its reason, and the first goes on', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    const second = new Program('tpe-agent', ['--config', config]);
    const { code } = await second.exited;
    expect(code).toBe(1);
    expect(second.stderr).toContain('STATE_IN_USE');
    expect(second.stderr).toContain(String(gateway.process?.pid));
    expect(await json('status', '--config', config)).toMatchObject({ running: true });
  });
});

test('factory init through the running agent sets the password, factory reset restores it', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    const output = join(folder, 'records');
    const printed = await ctl('factory', 'init', '--config', config, '--output', output, '--json');
    expect(printed.code).toBe(0);
    const text = await readFile(join(output, 'TAICB1046771.json'), 'utf8');
    const record = JSON.parse(text) as { initialPassword: string; keySha256: string };
    expect(printed.out).not.toContain(record.initialPassword);
    expect((await readdir(output)).sort()).toEqual(['TAICB1046771.json', 'TAICB1046771.svg', 'factory.csv']);
    expect((await stat(join(output, 'factory.csv'))).mode & 0o077).toBe(0);

    await expect(gateway.login(DEFAULT_PASSWORD)).rejects.toThrow('401');
    await gateway.login(record.initialPassword);
    await gateway.data('PUT', '/users/me/password', { newPassword: 'Plant-Passw0rd!' });
    const refused = await ctl('factory', 'init', '--config', config, '--output', output);
    expect(refused.err).toContain('FACTORY_COMMISSIONED');

    expect(await json('factory', 'reset', '--config', config)).toEqual({ restarting: true });
    const ready = await waitFor('the agent to start again', () => {
      const lines = gateway.process!.jsonLines().filter((line) => line['event'] === 'ready');
      return lines.length === 2 ? lines[1] : undefined;
    });
    gateway.apiPort = Number(ready['apiPort']);
    await expect(gateway.login('Plant-Passw0rd!')).rejects.toThrow('401');
    await gateway.login(record.initialPassword);
  });
});

test('factory reset works on the state of an agent that does not run', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    await gateway.takeOver();
    await gateway.stop();
    expect(await json('factory', 'reset', '--config', config)).toEqual({ restarting: false });
    await gateway.start();
    await gateway.login(DEFAULT_PASSWORD);
  });
});

test('the bundle holds what support needs and none of the secrets of this run', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    await gateway.takeOver();
    const file = join(folder, 'bundle.tar.gz');
    expect(await json('logs', 'bundle', '--config', config, '--output', file)).toEqual({ file });
    expect((await stat(file)).mode & 0o077).toBe(0);
    const unpacked = join(folder, 'unpacked');
    await mkdir(unpacked);
    await run('tar', ['-xzf', file, '-C', unpacked, '--strip-components=1']);
    const names = await readdir(unpacked);
    expect(names).toEqual(
      expect.arrayContaining(['check.json', 'settings.toml', 'state.txt', 'versions.json']),
    );
    const everything = (await Promise.all(names.map((name) => readFile(join(unpacked, name), 'utf8')))).join(
      '\n',
    );
    expect(everything).toContain('TAICB1046771');
    expect(everything).toContain('accounts.json');
    const key = await readFile(join(gateway.stateFolder, 'tls-key.pem'), 'utf8');
    for (const secret of ['Gateway-4711!', gateway.token, '$scrypt$', 'PRIVATE KEY', key.split('\n')[1]!]) {
      expect(everything.includes(secret)).toBe(false);
    }
  });
});

test('the bundle takes the place of what is there, and follows no link', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    const [precious, file] = [join(folder, 'precious'), join(folder, 'bundle.tar.gz')];
    await writeFile(precious, 'precious', { mode: 0o644 });
    await symlink(precious, file);
    await json('logs', 'bundle', '--config', config, '--output', file);
    expect(await readFile(precious, 'utf8')).toBe('precious');
    expect((await lstat(file)).mode & 0o077).toBe(0);
    await chmod(file, 0o644);
    await json('logs', 'bundle', '--config', config, '--output', file);
    expect((await stat(file)).mode & 0o077).toBe(0);
    expect((await readdir(folder)).filter((name) => name.includes('bundle'))).toEqual(['bundle.tar.gz']);
  });
});

test('without an agent the identity is the one that the service sees, not what only root may read', async () => {
  await withTempFolder(async (folder) => {
    const root = process.geteuid?.() === 0;
    const [state, config] = [join(folder, 'state'), join(folder, 'config.toml')];
    await mkdir(state, { mode: 0o700 });
    await writeFile(config, `[paths]\nstate = "${state}"\n[tpm]\ntcti = "${tpm().tcti}"\n`);
    // As the U-Boot environment, which the service's user may not read.
    const program = join(folder, 'fw_printenv');
    await writeFile(program, '#!/bin/sh\necho ONLYFORROOT\n', { mode: 0o700 });
    await chmod(folder, 0o755);
    if (root) await chown(state, 65_534, 65_534);
    const child = new Program('tpe-agentctl', ['status', '--json', '--config', config], {
      PATH: `${folder}:${process.env['PATH'] ?? ''}`,
    });
    expect((await child.exited).code).toBe(0);
    const { serialNumber } = (JSON.parse(child.stdout) as { identity: { serialNumber: string } }).identity;
    expect(serialNumber === 'ONLYFORROOT').toBe(!root);
  });
});

test.each([
  ['an unknown command', ['frobnicate'], 2, ''],
  ['an unknown flag', ['status', '--loud'], 2, ''],
  [
    'a settings file that is not there',
    ['status', '--config', '/nonexistent/config.toml'],
    1,
    'SETTINGS_UNREADABLE',
  ],
])('%s ends with exit code and reason', async (_what, args, expected, reason) => {
  const { code, err } = await ctl(...args);
  expect(code).toBe(expected);
  expect(err).toContain(reason);
});

test('a mistake in the settings file is named with line and key, and nothing is touched', async () => {
  await withTempFolder(async (folder) => {
    const config = join(folder, 'config.toml');
    await writeFile(
      config,
      `[paths]\nstate = ${JSON.stringify(join(folder, 'state'))}\n[api]\nport = "8443"\n`,
    );
    for (const program of ['tpe-agentctl', 'tpe-agent']) {
      const child = new Program(
        program,
        program === 'tpe-agent' ? ['--config', config] : ['status', '--config', config],
      );
      expect((await child.exited).code).toBe(1);
      expect(child.stderr).toMatch(/config\.toml:4: api\.port/);
    }
    expect(await readdir(folder)).toEqual(['config.toml']);
  });
});

test('a state folder that does not exist is named', async () => {
  await withTempFolder(async (folder) => {
    const config = join(folder, 'config.toml');
    await writeFile(config, `[paths]\nstate = ${JSON.stringify(join(folder, 'none'))}\n`);
    const { code, err } = await ctl('ek', '--json', '--config', config);
    expect(code).toBe(1);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'STATE_FOLDER_UNUSABLE' } });
  });
});
