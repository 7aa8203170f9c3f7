import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseTcti } from '../../../src/agent/tpm/options';

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
  const asRoot = process.geteuid?.() === 0;
  if (asRoot) process.seteuid?.(65534);
  try {
    await expect(chooseTcti(undefined, [forbidden, '/dev/null'])).rejects.toMatchObject({
      code: 'TPM_NOT_PERMITTED',
      details: { device: forbidden },
    });
  } finally {
    if (asRoot) process.seteuid?.(0);
  }
});

test('swtpm has no resource manager, tabrmd is one', async () => {
  expect(await chooseTcti('swtpm:port=2321')).toMatchObject({ resourceManaged: false });
  expect(await chooseTcti('tabrmd:bus_type=session')).toMatchObject({ resourceManaged: true });
});
