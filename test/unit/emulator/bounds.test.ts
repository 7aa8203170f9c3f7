import { Counters } from '../../../src/emulator/admin/counters';
import { Challenges } from '../../../src/emulator/dps/challenges';
import { RateLimit } from '../../../src/emulator/dps/rate-limit';
import { Faults } from '../../../src/emulator/faults/faults';
import { TelemetryLog } from '../../../src/emulator/hub/telemetry-log';
import { parseDeviceTopic } from '../../../src/emulator/hub/topics';
import { parseSas } from '../../../src/emulator/sas/sas';
import { sasToken } from '../../support/azure-client';

const tokenOf = (key: Buffer) => parseSas(sasToken('x', key))!;

test('of a device only the four latest challenges count, for an hour', () => {
  const challenges = new Challenges();
  const keys = Array.from({ length: 5 }, (_, i) => Buffer.alloc(32, i + 1));
  for (const key of keys) challenges.add('dev', key, 1000);
  expect(keys.map((key) => challenges.proves('dev', tokenOf(key), 1000))).toEqual([
    false,
    true,
    true,
    true,
    true,
  ]);
  expect(challenges.proves('dev', tokenOf(keys[4]!), 1000 + 3_600_000)).toBe(false);
  expect(challenges.proves('other', tokenOf(keys[4]!), 1000)).toBe(false);
  challenges.forget('dev');
  expect(challenges.proves('dev', tokenOf(keys[4]!), 1000)).toBe(false);
});

test('the rate limit slides: what passed a minute ago does not count', () => {
  const limit = new RateLimit();
  for (let i = 0; i < 3; i += 1) expect(limit.take(i * 1000, 3)).toBe(0);
  expect(limit.take(3000, 3)).toBe(57);
  expect(limit.take(59_999, 3)).toBe(1);
  expect(limit.take(60_000, 3)).toBe(0);
  expect(limit.take(60_500, 3)).toBe(1);
});

test('the rate limit 0 lets everything pass', () => {
  const limit = new RateLimit();
  for (let i = 0; i < 5000; i += 1) expect(limit.take(0, 0)).toBe(0);
});

test('telemetry beyond the limit is forgotten, oldest first', () => {
  const log = new TelemetryLog(2);
  for (const body of ['a', 'b', 'c'])
    log.add({ deviceId: body === 'b' ? 'two' : 'one', hub: 'h', properties: [], body });
  expect(log.list().map((entry) => entry.body)).toEqual(['b', 'c']);
  expect(log.list('one').map((entry) => entry.body)).toEqual(['c']);
});

test('a thousand fault rules are the most', () => {
  const faults = new Faults();
  for (let i = 0; i < 1000; i += 1)
    expect(faults.add({ point: 'dps-poll', action: { type: 'drop' } })).toBe(i + 1);
  expect(faults.add({ point: 'dps-poll', action: { type: 'drop' } })).toBeUndefined();
});

test('a fault with probability strikes about that share', () => {
  const faults = new Faults();
  faults.add({ point: 'dps-poll', action: { type: 'drop' }, probability: 0.5 });
  const struck = Array.from({ length: 2000 }, () => faults.take('dps-poll', 'x')).filter(
    (a) => a !== undefined,
  );
  // Six standard deviations.
  expect(Math.abs(struck.length - 1000)).toBeLessThan(135);
});

test('counters tell devices apart without case and are copies', () => {
  const counters = new Counters();
  counters.count('Dev', 'dpsPolls');
  const copy = counters.of('dev');
  copy.dpsPolls = 99;
  expect(counters.of('DEV').dpsPolls).toBe(1);
  expect(counters.all().totals.dpsPolls).toBe(1);
});

test.each([
  ['devices/d/messages/events/', { kind: 'telemetry', properties: [] }],
  [
    'devices/d/messages/events/a=b&%24.ct=text%2Fplain',
    {
      kind: 'telemetry',
      properties: [
        ['a', 'b'],
        ['$.ct', 'text/plain'],
      ],
    },
  ],
  ['devices/d/messages/events/?a', { kind: 'telemetry', properties: [['a', '']] }],
  ['$iothub/twin/GET/?$rid=1', { kind: 'twinGet', requestId: '1' }],
  ['$iothub/twin/PATCH/properties/reported/?$rid=2&$version=3', { kind: 'twinPatch', requestId: '2' }],
  ['$iothub/methods/res/-1/?$rid=a', { kind: 'methodAnswer', status: -1, requestId: 'a' }],
  ['devices/other/messages/events/', undefined],
  ['devices/d/messages/events/%ZZ', undefined],
  ['$iothub/twin/GET/', undefined],
  ['$iothub/methods/res/abc/?$rid=1', undefined],
  ['', undefined],
])('the topic %s is understood or refused', (topic, expected) => {
  expect(parseDeviceTopic('d', topic)).toEqual(expected);
});
