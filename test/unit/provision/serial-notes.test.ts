import { isPlaceholderSerial, serialNotes } from '../../../src/provision/discovery/serial-notes';
import type { Gateway } from '../../../src/provision/device';

const gateway = (serialNumber: string, mac: string): Gateway => ({
  deviceId: mac,
  serialNumber,
  mac,
  modelName: 'UC',
  firmwareVersion: '1',
  address: '192.168.4.127',
  port: 8443,
  apiBase: '/api/v1',
  keySha256: '',
});

test.each([
  ['IMOXA1234567', true],
  ['0000000', true],
  ['XXXXXXXX', true],
  ['TAICB1046771', false],
  ['TAICB7654321', false],
])('%s is a placeholder: %s', (serial, expected) => {
  expect(isPlaceholderSerial(serial)).toBe(expected);
});

test('gateways that share a serial number are told with their MACs, a lone placeholder too', () => {
  expect(serialNotes([gateway('A1', '1'), gateway('A1', '2'), gateway('B1', '3')])).toEqual([
    expect.stringMatching(/^serial number A1 is told by 2 gateways \(MAC 1, 2\).*\{mac\}/),
  ]);
  expect(serialNotes([gateway('IMOXA1234567', '1')])).toEqual([expect.stringContaining('placeholder')]);
  expect(serialNotes([gateway('TAICB1046771', '1')])).toEqual([]);
});

test('one gateway that answers over two ways is no duplicate', () => {
  expect(serialNotes([gateway('A1', '1'), gateway('A1', '1')])).toEqual([]);
});
