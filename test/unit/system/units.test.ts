import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withTempFolder } from '../../support/temp';

const folder = join(__dirname, '../../../systemd');

function run(program: string, ...args: string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    execFile(program, args, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') {
        reject(new Error(`${program} is missing; install it with: apt-get install systemd`));
      } else {
        resolve({ status: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
      }
    });
  });
}

const units = async (): Promise<string[]> =>
  (await readdir(folder)).filter((name) => /\.(service|socket)$/.test(name));

test('systemd accepts every unit', async () => {
  await withTempFolder(async (root) => {
    // verify wants the programs to be there; this machine has not installed them.
    const node = join(root, 'node');
    await writeFile(node, '#!/bin/sh\n', { mode: 0o755 });
    const unitFolder = join(root, 'units');
    await mkdir(unitFolder);
    for (const name of await units()) {
      const text = await readFile(join(folder, name), 'utf8');
      expect(text).not.toMatch(/[ \t]$/m);
      await writeFile(join(unitFolder, name), text.replaceAll('/usr/lib/tpe-agent/node', node));
    }
    const paths = (await units()).map((name) => join(unitFolder, name));
    const { status, output } = await run('systemd-analyze', 'verify', '--man=no', ...paths);
    // Units of this machine that have nothing to do with ours may be complained about too.
    expect(output.split('\n').filter((line) => line.includes('tpe-'))).toEqual([]);
    expect(status).toBe(0);
  });
});

test('verify finds a mistake when there is one', async () => {
  await withTempFolder(async (root) => {
    const path = join(root, 'tpe-agent.service');
    await copyFile(join(folder, 'tpe-agent.service'), path);
    await writeFile(path, `${await readFile(path, 'utf8')}\n[Service]\nNoSuchSetting=1\n`);
    const { output } = await run('systemd-analyze', 'verify', '--man=no', path);
    expect(output).toContain('NoSuchSetting');
  });
});

test.each([
  ['tpe-agent.service', 17],
  ['tpe-device-facts.service', 17],
  ['tpe-helper.service', 17],
])('the exposure of %s is at most %d tenths', async (name, threshold) => {
  const path = join(folder, name);
  const { status, output } = await run(
    'systemd-analyze',
    'security',
    '--no-pager',
    '--offline=true',
    `--threshold=${threshold}`,
    path,
  );
  expect(output).toContain('Overall exposure level');
  expect(status).toBe(0);
});

test('the agent waits neither for the network nor for the time', async () => {
  const text = await readFile(join(folder, 'tpe-agent.service'), 'utf8');
  const settings = text.split('\n').filter((line) => !line.startsWith('#'));
  expect(settings.join('\n')).not.toMatch(/network-online|time-sync|LoadCredential/);
  expect(settings).toEqual(
    expect.arrayContaining([
      'Type=notify',
      'Restart=always',
      'StartLimitIntervalSec=0',
      'CapabilityBoundingSet=',
    ]),
  );
});
