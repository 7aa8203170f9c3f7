import { broadcastTargets, parseTarget } from '../../../src/provision/discovery/targets';

test.each([
  ['192.168.4.127', [{ address: '192.168.4.127', port: 40404 }]],
  ['192.168.4.127:5000', [{ address: '192.168.4.127', port: 5000 }]],
  ['10.0.0.0/30', [{ address: '10.0.0.1' }, { address: '10.0.0.2' }]],
  [
    '10.0.0.7/31:5000',
    [
      { address: '10.0.0.6', port: 5000 },
      { address: '10.0.0.7', port: 5000 },
    ],
  ],
  ['[fe80::1%eth0]:5000', [{ address: 'fe80::1%eth0', port: 5000, family: 6 }]],
  ['fe80::1%eth0', [{ address: 'fe80::1%eth0', port: 40404, family: 6 }]],
])('%s is understood', (text, expected) => {
  expect(parseTarget(text, 40404)).toMatchObject(expected);
});

test('a /24 has 254 hosts', () => {
  expect(parseTarget('172.16.5.0/24', 40404)).toHaveLength(254);
});

test.each([
  '',
  'gateway',
  '10.0.0.0/8',
  '10.0.0.0/33',
  '10.0.0.1:0',
  '10.0.0.1:99999',
  '300.1.1.1',
  '[::1]:x',
])('"%s" is refused with a reason', (text) => {
  expect(() => parseTarget(text, 40404)).toThrow(
    expect.objectContaining({ code: 'PROVISION_SETTING_INVALID' }) as Error,
  );
});

test('every interface is probed by limited and directed broadcast and by all-nodes', () => {
  const entry = { mac: '', cidr: null, internal: false };
  const targets = broadcastTargets(40404, {
    lo: [{ ...entry, address: '127.0.0.1', netmask: '255.0.0.0', family: 'IPv4', internal: true }],
    eth0: [
      { ...entry, address: '10.1.2.3', netmask: '255.255.240.0', family: 'IPv4' },
      { ...entry, address: 'fe80::5', netmask: 'ffff::', family: 'IPv6', scopeid: 2 },
    ],
  });
  expect(targets.map(({ address, from }) => `${address} from ${String(from)}`)).toEqual([
    '255.255.255.255 from 10.1.2.3',
    '10.1.15.255 from 10.1.2.3',
    'ff02::1%eth0 from fe80::5%eth0',
  ]);
});
