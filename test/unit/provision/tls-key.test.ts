import type { Gateway } from '../../../src/provision/device';
import { FactoryIndex } from '../../../src/provision/trust/factory-index';
import { decideKey } from '../../../src/provision/trust/tls-key';

const gateway: Gateway = {
  deviceId: 'd',
  serialNumber: 'TAICB1046771',
  mac: '0090e87946b5',
  modelName: 'UC-8100A-ME-T-LX',
  firmwareVersion: '1.3.2',
  address: '192.168.4.127',
  port: 8443,
  apiBase: '/api/v1',
  keySha256: 'shown',
};
const entry = { line: 2, serialNumber: gateway.serialNumber, mac: gateway.mac, keySha256: 'shown' };
const trusting = (factory: FactoryIndex) => ({ factory, trustOnFirstUse: true, replace: true });

test('the key of the factory record is believed, and no other one, whatever the operator says', () => {
  const options = trusting(new FactoryIndex([entry]));
  expect(decideKey(gateway, undefined, options)).toEqual({ pinnedKey: 'shown', trustedBy: 'factoryRecord' });
  expect(() => decideKey({ ...gateway, keySha256: 'other' }, undefined, options)).toThrow(
    expect.objectContaining({ code: 'PROVISION_KEY_CHANGED' }) as Error,
  );
});

test('an invented MAC is no way around the record of a serial number', () => {
  expect(() =>
    decideKey({ ...gateway, mac: '0090e8000001' }, undefined, trusting(new FactoryIndex([entry]))),
  ).toThrow(expect.objectContaining({ code: 'PROVISION_FACTORY_OTHER_MAC' }) as Error);
});

test('a gateway that the record does not name is believed only when the operator says so', () => {
  const factory = new FactoryIndex([{ ...entry, serialNumber: 'TAICB1046772' }]);
  expect(decideKey(gateway, undefined, trusting(factory))).toMatchObject({ trustedBy: 'firstUse' });
  expect(() => decideKey(gateway, undefined, { ...trusting(factory), trustOnFirstUse: false })).toThrow(
    expect.objectContaining({ code: 'PROVISION_KEY_UNTRUSTED' }) as Error,
  );
});
