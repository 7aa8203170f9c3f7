import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readDeviceIdentity } from '../../../src/agent/device/identity';
import { readFactsFile, readPlatformTables } from '../../../src/agent/device/identity-sources';
import { firstMac, normalizeMac } from '../../../src/agent/device/interfaces';
import { withTempFolder } from '../../support/temp';

const noMac = () => undefined;

test('an override wins over every source, and sources are not asked for what is known', async () => {
  const asked: string[] = [];
  const identity = await readDeviceIdentity(
    {
      serialNumber: 'TAICB1046771',
      modelName: 'UC-8112A',
      macAddress: '00:90:E8:79:46:B5',
      firmwareVersion: '1.3.2',
    },
    {
      facts: [
        () => {
          asked.push('facts');
          return Promise.resolve({ serialNumber: 'OTHER' });
        },
      ],
      mac: noMac,
    },
  );
  expect(asked).toEqual([]);
  expect(identity).toMatchObject({
    serialNumber: 'TAICB1046771',
    modelName: 'UC-8112A',
    mac: '0090e87946b5',
    firmwareVersion: '1.3.2',
  });
  expect(identity.deviceId).toMatch(/^[0-9a-f]{32}$/);
});

test('sources complete each other, the earlier one wins', async () => {
  const identity = await readDeviceIdentity(
    {},
    {
      facts: [
        () => Promise.resolve({ modelName: 'UC-8200' }),
        () => Promise.resolve({ serialNumber: 'TBBBB1000001', modelName: 'PC', macAddress: '0090e8000001' }),
      ],
      mac: noMac,
    },
  );
  expect(identity).toMatchObject({ serialNumber: 'TBBBB1000001', modelName: 'UC-8200', mac: '0090e8000001' });
});

test('two gateways with the same placeholder serial number have different device ids', async () => {
  const of = async (macAddress: string) =>
    readDeviceIdentity({ serialNumber: 'IMOXA1234567', modelName: 'x', macAddress });
  expect((await of('0090e8000001')).deviceId).not.toBe((await of('0090e8000002')).deviceId);
});

test('without any serial number the MAC address stands in', async () => {
  const identity = await readDeviceIdentity({}, { facts: [], mac: () => '0090e87946b5' });
  expect(identity).toMatchObject({ serialNumber: '0090E87946B5', modelName: 'Unknown' });
});

test('without any MAC address there is an error with advice', async () => {
  await expect(readDeviceIdentity({}, { facts: [], mac: noMac })).rejects.toMatchObject({
    code: 'DEVICE_MAC_UNKNOWN',
  });
});

test('a facts file that is no JSON is named', async () => {
  await withTempFolder(async (folder) => {
    const path = join(folder, 'facts.json');
    await writeFile(path, '{"serialNumber":', { mode: 0o644 });
    await expect(readFactsFile(path, process.getuid?.())).rejects.toMatchObject({
      code: 'VALUE_INVALID',
      message: expect.stringContaining(path) as string,
    });
  });
});

test('the facts file is believed only when its owner alone may write it', async () => {
  await withTempFolder(async (folder) => {
    const path = join(folder, 'facts.json');
    await writeFile(path, '{"serialNumber":"TAICB1046771","modelName":"Not Specified"}', { mode: 0o644 });
    const own = process.getuid?.() ?? 0;
    expect(await readFactsFile(path, own)).toEqual({ serialNumber: 'TAICB1046771' });
    expect(await readFactsFile(path, own + 1)).toEqual({});
    await chmod(path, 0o666);
    expect(await readFactsFile(path, own)).toEqual({});
    expect(await readFactsFile(join(folder, 'absent.json'), own)).toEqual({});
  });
});

test('placeholders of firmware vendors are not serial numbers', async () => {
  await withTempFolder(async (folder) => {
    const dmi = join(folder, 'sys/class/dmi/id');
    await mkdir(dmi, { recursive: true });
    await writeFile(join(dmi, 'product_serial'), 'To be filled by O.E.M.\n');
    await writeFile(join(dmi, 'product_name'), 'DA-820C\n');
    expect(await readPlatformTables(folder)).toEqual({ modelName: 'DA-820C' });
  });
});

test('the MAC address is that of the first physical interface', async () => {
  await withTempFolder(async (folder) => {
    const add = async (name: string, mac: string, physical: boolean, type = '1') => {
      await mkdir(join(folder, name, ...(physical ? ['device'] : [])), { recursive: true });
      await writeFile(join(folder, name, 'type'), `${type}\n`);
      await writeFile(join(folder, name, 'address'), `${mac}\n`);
    };
    await add('br-lan', '02:00:00:00:00:01', false);
    await add('eth1', '00:90:e8:00:00:02', true);
    await add('lo', '00:00:00:00:00:00', false, '772');
    expect(firstMac(folder)).toBe('0090e8000002');
    await add('eth0', '00:90:e8:00:00:01', true);
    expect(firstMac(folder)).toBe('0090e8000001');
    expect(firstMac(join(folder, 'nothing'))).toBeUndefined();
  });
});

test.each(['', '00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '00:90:e8', 'gg:90:e8:00:00:01'])(
  '%p is no MAC',
  (text) => {
    expect(normalizeMac(text)).toBeUndefined();
  },
);
