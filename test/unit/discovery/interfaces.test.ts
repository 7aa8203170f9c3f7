import { OnLink } from '../../../src/agent/discovery/on-link';
import { discoveryInterfaces } from '../../../src/agent/discovery/sockets';

test('cellular, tunnel and container interfaces are never answered on', () => {
  const names = [
    'eth0',
    'wwan0',
    'docker0',
    'br-0123456789ab',
    'veth1a2b',
    'tun0',
    'br-lan',
    'wlan0',
    'ppp0',
  ];
  expect(discoveryInterfaces(names, undefined)).toEqual(['lo', 'eth0', 'br-lan', 'wlan0']);
  expect(discoveryInterfaces(names, ['eth0', 'eth9'])).toEqual(['lo', 'eth0']);
});

const onLink = new OnLink(() => [
  {
    name: 'eth0',
    mac: '0090e8000001',
    addresses: [
      { address: '192.168.4.127', netmask: '255.255.255.0', family: 4 },
      { address: 'fe80::1', netmask: 'ffff:ffff:ffff:ffff::', family: 6 },
    ],
  },
  {
    name: 'eth1',
    mac: '0090e8000002',
    addresses: [
      { address: '10.1.0.2', netmask: '255.255.0.0', family: 4 },
      { address: 'fe80::2', netmask: 'ffff:ffff:ffff:ffff::', family: 6 },
      { address: '2001:db8::2', netmask: 'ffff:ffff:ffff:ffff::', family: 6 },
    ],
  },
]);

test.each([
  ['192.168.4.9', 4, 'eth0', '192.168.4.127'],
  ['192.168.4.9', 4, 'eth1', '10.1.0.2'],
  ['172.16.9.9', 4, 'eth0', '192.168.4.127'],
  ['172.16.9.9', 4, undefined, undefined],
  ['10.1.200.9', 4, undefined, '10.1.0.2'],
  ['8.8.8.8', 4, 'eth0', undefined],
  ['fe80::99%eth1', 6, 'eth1', 'fe80::2'],
  ['2001:db8::9', 6, 'eth1', undefined],
  ['127.0.0.1', 4, 'lo', '127.0.0.1'],
] as const)('a sender %s (IPv%d) on %s is answered from %s', (source, family, name, address) => {
  expect(onLink.addressFor(source, family, name, 0)).toBe(address);
});

test('an answer by broadcast names the interface that the probe came in on', () => {
  expect(onLink.firstAddress('eth1', 0)).toBe('10.1.0.2');
  expect(onLink.firstAddress('eth9', 0)).toBeUndefined();
});
