import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Plant, NEW_PASSWORD } from '../../support/gateway-simulator-plant';
import { distFolder } from '../../support/process';

const PROGRAM = 'tpe-provision.cjs';

let plant: Plant;
let folder: string;
beforeAll(async () => {
  plant = await Plant.open();
  // Nothing else is here: no addon, no node_modules, as on a laptop of another platform.
  folder = await mkdtemp(join(tmpdir(), 'tpe-single-'));
  await copyFile(join(distFolder, PROGRAM), join(folder, PROGRAM));
});
afterEach(() => plant.clear());
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await plant.close();
});

const FLAGS = ['--id-scope', '0ne00012345', '--seconds', '0.4', '--trust-on-first-use'];

/** Runs a command to its end. */
async function outcome(
  command: string,
  args: readonly string[],
  typed: readonly string[] = [],
): Promise<{ code: number | null; out: string }> {
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, LANG: 'C.UTF-8', TERM: 'xterm' },
  });
  let out = '';
  const waiting = [...typed];
  const take = (text: Buffer): void => {
    out += text.toString();
    // One answer for each question, and only when it has been asked: typed ahead, the terminal would echo it.
    if (/: $/.test(out)) child.stdin.write(`${waiting.shift() ?? ''}\r`);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out };
}

test('one file is all that it takes, from discovery to connected', async () => {
  expect(await readdir(folder)).toEqual([PROGRAM]);
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const args = [PROGRAM, 'run', ...plant.targets, ...plant.dpsFlags, ...plant.secrets, ...FLAGS];
  const { code, out } = await outcome(process.execPath, args);
  expect(out).toContain('1 of 1 done, 0 failed');
  expect(code).toBe(0);
  expect(one.state).toBe('connected');
});

test('at a terminal secrets are asked for and not shown, and a table is drawn', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const dps = plant.dpsFlags.slice(0, 4);
  const args = [process.execPath, PROGRAM, 'run', ...plant.targets, ...dps, ...FLAGS];
  const line = args.map((arg) => `'${arg}'`).join(' ');
  const { code, out } = await outcome(
    'script',
    ['-qec', line, '/dev/null'],
    [plant.dps.policyKey, NEW_PASSWORD, NEW_PASSWORD],
  );
  expect(out).toContain('Key of the DPS policy: ');
  expect(out).not.toContain(plant.dps.policyKey);
  expect(out).not.toContain(NEW_PASSWORD);
  expect(out).toMatch(/TAICB1046771 +connected/);
  expect(code).toBe(0);
  expect(one.password).toBe(NEW_PASSWORD);
});

test('a disk that is full for the journal or the report is told in one sentence, and nothing is done twice', async () => {
  const one = await plant.gateway({ serialNumber: 'TAICB1046771' });
  const disk = join(folder, 'disk');
  await mkdir(disk);
  const args = [PROGRAM, 'run', ...plant.targets, ...plant.dpsFlags, ...plant.secrets, ...FLAGS];
  const run = args.map((arg) => `'${arg}'`).join(' ');
  const node = `'${process.execPath}'`;
  const kept = join(folder, 'kept.journal');
  const script = `
    mount -t tmpfs -o size=32k tmpfs '${disk}'
    head -c 30k /dev/zero > '${disk}/other'; head -c 30k /dev/zero >> '${disk}/other'
    ${node} ${run} --journal '${disk}/journal'; echo "journal: $?"
    ${node} ${run} --journal '${kept}' --report '${disk}/r.html'; echo "report: $?"
    rm '${disk}/other'
    ${node} ${run} --journal '${kept}' --report '${disk}/r.html'; echo "again: $?"
    ls -s '${disk}'`;
  const mapped = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const { out } = await outcome('unshare', [...mapped, '--mount', 'sh', '-c', script]);
  const [journal = '', report = '', again = ''] = out.split(/^\w+: \d\n/m);
  expect(journal).toMatch(
    /error (FILE_WRITE_FAILED|PROVISION_JOURNAL_NOT_WRITTEN): .*ENOSPC.*\n {2}what to do: /,
  );
  expect(report).toMatch(/1 of 1 done[^]*error FILE_WRITE_FAILED: .*r\.html.*ENOSPC.*\n {2}what to do: /);
  expect(again).toContain('1 of 1 done');
  expect(out).toContain('journal: 1\n');
  expect(out).toContain('report: 1\n');
  expect(out).toContain('again: 0\n');
  expect(out).toMatch(/\d+ r\.html/);
  expect(one.calls.filter((call) => call === 'PUT /users/me/password')).toHaveLength(1);
});
