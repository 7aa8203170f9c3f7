import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atTerminal, ctl, json } from '../support/agentctl';
import { gatewayFixture } from '../support/gateway-fixture';
import { startSwtpm } from '../support/swtpm';
import { withTempFolder } from '../support/temp';
import { startTpmProxy } from '../support/tpm-proxy';

const { tpm, started } = gatewayFixture();

test('factory reset is confirmed: typed at a terminal, with --yes where there is none', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    await gateway.takeOver();
    await gateway.stop();
    const accounts = join(gateway.stateFolder, 'accounts.json');
    const before = await readFile(accounts, 'utf8');

    const refused = await ctl('factory', 'reset', '--config', config);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('CONFIRMATION_MISSING')]);
    expect(refused.err).toContain('--yes');
    // Another gateway's number, nothing at all, Ctrl-C and Ctrl-D.
    for (const typed of ['TAICB1046772\n', '\n', '\x03', '\x04']) {
      const { code, said } = await atTerminal(typed, 'factory', 'reset', '--config', config);
      expect([typed, code, said]).toEqual([typed, 1, expect.stringContaining('CONFIRMATION_REFUSED')]);
      expect(said).toContain('TAICB1046771');
    }
    expect(await readFile(accounts, 'utf8')).toBe(before);

    const done = await atTerminal('TAICB1046771\n', 'factory', 'reset', '--config', config);
    expect([done.code, done.said]).toEqual([0, expect.stringContaining('as new')]);
    await expect(readFile(accounts, 'utf8')).rejects.toThrow('ENOENT');
    expect(await ctl('factory', 'reset', '--config', config, '--yes')).toMatchObject({ code: 0 });
  });
});

test('status answers in seconds on a TPM that says nothing, with and without an agent', async () => {
  await withTempFolder(async (folder) => {
    const proxy = await startTpmProxy(tpm());
    try {
      const gateway = await started(folder, proxy.tcti);
      const { config } = gateway;
      proxy.onResponse = () => 'silent';
      const silent = { tpm: { available: false, problem: { code: 'TPM_TIMEOUT' } } };
      const askedAt = performance.now();
      expect(await json('status', '--config', config)).toMatchObject({ running: true, ...silent });
      // The TPM's own time-out is a minute and a half.
      expect(performance.now() - askedAt).toBeLessThan(30_000);

      proxy.onResponse = () => undefined;
      await gateway.stop();
      proxy.onResponse = () => 'silent';
      const aloneAt = performance.now();
      expect(await json('status', '--config', config)).toMatchObject({ running: false, ...silent });
      expect(performance.now() - aloneAt).toBeLessThan(30_000);
    } finally {
      await proxy.stop();
    }
  });
});

test('a TPM 1.2 is named, by the agent, by check and in the factory, and nothing is made on it', async () => {
  const old = await startSwtpm({ version: '1.2' });
  try {
    await withTempFolder(async (folder) => {
      const gateway = await started(folder, old.tcti);
      const { config } = gateway;
      const named = { code: 'TPM_VERSION_UNSUPPORTED' };
      expect(await json('status', '--config', config)).toMatchObject({
        running: true,
        tpm: { available: false, problem: named },
      });
      const check = JSON.parse((await ctl('check', '--json', '--config', config)).out) as {
        checks: { id: string; result: string; detail: string }[];
      };
      expect(check.checks.find(({ id }) => id === 'tpm-version')).toMatchObject({
        result: 'fatal',
        detail: 'this is a TPM 1.2',
      });
      const init = await ctl('factory', 'init', '--config', config, '--output', join(folder, 'records'));
      expect([init.code, init.err]).toEqual([1, expect.stringContaining('TPM_VERSION_UNSUPPORTED')]);
      expect(init.err).toContain('U-Boot variable "tpm2"');
      await expect(readdir(join(folder, 'records'))).rejects.toThrow('ENOENT');
    });
  } finally {
    await old.stop();
  }
});

test('a gateway without a TPM can be managed and says what it lacks; the factory lets it through only when told', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder, 'device:/dev/no-such-tpm');
    await gateway.takeOver();
    const { config } = gateway;
    expect(await json('status', '--config', config)).toMatchObject({
      running: true,
      provisioning: { state: 'unconfigured' },
      tpm: { available: false, problem: { code: 'TPM_ABSENT' } },
    });
    const check = JSON.parse((await ctl('check', '--json', '--config', config)).out) as { verdict: string };
    expect(check.verdict).toBe('fatal');
    expect((await ctl('ek', '--config', config)).err).toContain('/dev/no-such-tpm');

    await json('factory', 'reset', '--config', config);
    await gateway.stop();
    const init = ['factory', 'init', '--config', config, '--output', join(folder, 'records')];
    expect((await ctl(...init)).err).toContain('TPM_ABSENT');
    expect(await json(...init, '--without-tpm')).toMatchObject({ endorsementKey: '' });
  });
});

test('status asks an agent that stands still for seconds only', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    process.kill(gateway.process!.pid, 'SIGSTOP');
    try {
      const { code, err } = await ctl('status', '--config', config);
      expect([code, err]).toEqual([1, expect.stringContaining('no answer within 8 s')]);
    } finally {
      process.kill(gateway.process!.pid, 'SIGCONT');
    }
  });
});

test('status of an agent whose settings file has a mistake by now tells both, and so does a bundle', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder);
    const { config } = gateway;
    const good = await readFile(config, 'utf8');
    await writeFile(config, `${good}\n[log]\nlevel = "loud"\n`);
    const { code, out } = await ctl('status', '--json', '--config', config);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      running: true,
      identity: { serialNumber: 'TAICB1046771' },
      settings: { code: 'SETTINGS_INVALID', message: expect.stringContaining('log.level') as string },
    });
    const read = await ctl('status', '--config', config);
    expect(read.out).toContain('TAICB1046771');
    expect(read.err).toMatch(/config\.toml:\d+: log\.level/);

    // Support wants the bundle then, and the mistake in it.
    const file = join(folder, 'bundle.tar.gz');
    expect(await json('logs', 'bundle', '--config', config, '--output', file)).toEqual({ file });
    const { stdout } = await promisify(execFile)('tar', ['-xzOf', file, '--wildcards', '*/check.json']);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'SETTINGS_INVALID' },
      status: { running: true },
    });
  });
});

test('a factory reset that the agent was stopped before is finished by the factory step', async () => {
  await withTempFolder(async (folder) => {
    const gateway = await started(folder, 'device:/dev/no-such-tpm');
    await gateway.takeOver();
    await gateway.stop();
    const { config } = gateway;
    const init = [
      'factory',
      'init',
      '--without-tpm',
      '--config',
      config,
      '--output',
      join(folder, 'records'),
    ];
    expect((await ctl(...init)).err).toContain('FACTORY_COMMISSIONED');
    await writeFile(join(gateway.stateFolder, '.factory-reset'), '');
    expect(await json(...init)).toMatchObject({ endorsementKey: '' });
  });
});
