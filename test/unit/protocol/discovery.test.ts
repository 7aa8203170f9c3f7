import fc from 'fast-check';
import {
  type Answer,
  PROBE_BYTES,
  decodeAnswer,
  decodeProbe,
  encodeAnswer,
  encodeProbe,
} from '../../../src/protocol/discovery';

const longest: Answer = {
  tpe: 1,
  type: 'answer',
  nonce: Buffer.alloc(16, 255).toString('base64'),
  deviceId: 'd'.repeat(64),
  serialNumber: 's'.repeat(64),
  mac: '0090e87946b5',
  modelName: 'm'.repeat(64),
  firmwareVersion: 'f'.repeat(64),
  address: 'fe80:0000:0000:0000:0290:e8ff:fe79:46b5%eth0'.padEnd(64, 'x'),
  port: 65535,
  apiBase: '/api/v1',
  keySha256: Buffer.alloc(32, 255).toString('base64'),
};

describe('the discovery datagrams', () => {
  it('a probe is padded to its size and understood', () => {
    const { nonce, datagram } = encodeProbe();
    expect(datagram.length).toBe(PROBE_BYTES);
    expect(decodeProbe(datagram)).toMatchObject({ nonce, reply: 'unicast' });
  });

  it('the longest possible answer is smaller than the probe, even with every character escaped', () => {
    const escaped = {
      ...longest,
      modelName: '"'.repeat(64),
      firmwareVersion: '\\'.repeat(64),
      serialNumber: '"'.repeat(64),
      deviceId: '\\'.repeat(64),
    };
    expect(encodeAnswer(longest).length).toBeLessThanOrEqual(PROBE_BYTES);
    expect(encodeAnswer(escaped).length).toBeLessThanOrEqual(PROBE_BYTES);
    expect(decodeAnswer(encodeAnswer(escaped))).toEqual(escaped);
  });

  it('a probe that is short, of another version, or of another type is not one', () => {
    const probe = JSON.parse(encodeProbe().datagram.toString()) as Record<string, unknown>;
    const encode = (value: object): Buffer => Buffer.from(JSON.stringify(value));
    expect(decodeProbe(encode({ ...probe, pad: '' }))).toBeUndefined();
    expect(decodeProbe(encode({ ...probe, tpe: 2 }))).toBeUndefined();
    expect(decodeProbe(encode({ ...probe, type: 'answer' }))).toBeUndefined();
    expect(decodeProbe(encode({ ...probe, nonce: 'x' }))).toBeUndefined();
    expect(decodeProbe(encode({ ...probe, pad: ' '.repeat(4000) }))).toBeUndefined();
  });

  it('an answer with a field that is missing or of another shape is none', () => {
    for (const key of Object.keys(longest)) {
      const without = Object.fromEntries(Object.entries(longest).filter(([name]) => name !== key));
      expect(decodeAnswer(Buffer.from(JSON.stringify(without)))).toBeUndefined();
      expect(decodeAnswer(Buffer.from(JSON.stringify({ ...longest, [key]: null })))).toBeUndefined();
    }
  });

  it('no bytes make the decoders throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(decodeProbe(bytes)).toBeUndefined();
        expect(decodeAnswer(bytes)).toBeUndefined();
      }),
    );
    expect(decodeProbe(Buffer.alloc(0))).toBeUndefined();
    expect(decodeProbe(Buffer.alloc(60_000, ' '))).toBeUndefined();
  });
});
