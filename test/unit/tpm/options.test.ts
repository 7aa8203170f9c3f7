import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { chooseTcti } from '../../../src/agent/tpm/options';

const run = promisify(execFile);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-tcti-'));
  await chmod(folder, 0o755);
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

const device = async (name: string): Promise<string> => {
  await writeFile(join(folder, name), '');
  return join(folder, name);
};

test('the resource-managed device is taken before the plain one', async () => {
  const devices = [await device('tpmrm0'), await device('tpm0')];
  expect(await chooseTcti(undefined, devices)).toEqual({
    tcti: `device:${devices[0]}`,
    resourceManaged: true,
  });
  expect(await chooseTcti('', devices)).toEqual({ tcti: `device:${devices[0]}`, resourceManaged: true });
});

test('the plain device is taken where there is no other, and owned', async () => {
  const plain = await device('tpm0');
  const devices = [join(folder, 'tpmrm0'), plain];
  expect(await chooseTcti(undefined, devices)).toEqual({ tcti: `device:${plain}`, resourceManaged: false });
});

test('a link to the resource-managed device counts as such', async () => {
  const link = join(folder, 'my-tpm');
  await symlink(await device('tpmrm0'), link);
  expect(await chooseTcti(`device:${link}`)).toMatchObject({ resourceManaged: true });
});

test('no device at all is TPM_ABSENT and names where it looked', async () => {
  await expect(chooseTcti(undefined, [join(folder, 'a'), join(folder, 'b')])).rejects.toMatchObject({
    code: 'TPM_ABSENT',
    message: expect.stringContaining(join(folder, 'b')) as string,
  });
});

test('a device that this user may not open is TPM_NOT_PERMITTED, not another device', async () => {
  const forbidden = await device('tpmrm0');
  await chmod(forbidden, 0o000);
  // In a process of its own: root may open everything, and Node 20 refuses to change the user of a running one.
  const script = join(folder, 'choose.cjs');
  await build({
    stdin: {
      contents: `const { chooseTcti } = require('./options');
        chooseTcti(undefined, ${JSON.stringify([forbidden, '/dev/null'])}).then(
          (chosen) => console.log(JSON.stringify(chosen)),
          ({ code, details }) => console.log(JSON.stringify({ code, details })));`,
      resolveDir: join(__dirname, '../../../src/agent/tpm'),
    },
    outfile: script,
    bundle: true,
    platform: 'node',
    external: ['*.node'],
  });
  const asNobody = process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const { stdout } = await run(process.execPath, [script], { ...asNobody, cwd: '/' });
  expect(JSON.parse(stdout)).toMatchObject({ code: 'TPM_NOT_PERMITTED', details: { device: forbidden } });
});

test('swtpm has no resource manager, tabrmd is one', async () => {
  expect(await chooseTcti('swtpm:port=2321')).toMatchObject({ resourceManaged: false });
  expect(await chooseTcti('tabrmd:bus_type=session')).toMatchObject({ resourceManaged: true });
});
