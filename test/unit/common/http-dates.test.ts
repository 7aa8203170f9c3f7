import { execFileSync } from 'node:child_process';
import { parseHttpDate, retryAfterMs } from '../../../src/common/http/http-dates';
import { TrustedTime } from '../../../src/common/trusted-time';
import { FakeClock } from '../../support/fake-clock';

const now = Date.parse('2026-11-23T10:00:00Z');

test.each<[string | undefined, number | undefined]>([
  [undefined, undefined],
  ['0', 0],
  ['7', 7000],
  [' 7 ', 7000],
  ['999999999', 3600_000],
  ['99999999999999999999', 3600_000],
  ['-5', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['', undefined],
  ['Mon, 23 Nov 2026 10:01:00 GMT', 60_000],
  ['Mon, 23 Nov 2026 09:00:00 GMT', 0],
  ['Mon, 23 Nov 2099 09:00:00 GMT', 3600_000],
  ['Mon, nonsense', undefined],
])('Retry-After %j', (header, expected) => {
  expect(retryAfterMs({ 'retry-after': header }, now)).toBe(expected);
});

test('a Retry-After date is compared with the clock of the server, not with ours', () => {
  const headers = { 'retry-after': 'Mon, 23 Nov 2026 10:01:00 GMT', date: 'Mon, 23 Nov 2026 10:00:30 GMT' };
  expect(retryAfterMs(headers, 0)).toBe(30_000);
});

test('all three forms of an HTTP date are GMT, wherever the gateway stands', () => {
  const forms = [
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
  ];
  // A process of its own: the time zone of this one is fixed.
  const program = `console.log(JSON.stringify(${JSON.stringify(forms)}.map(${parseHttpDate.toString()})))`;
  const env = { ...process.env, TZ: 'America/New_York' };
  const answer = execFileSync(process.execPath, ['-e', program], { env, encoding: 'utf8' });
  expect(JSON.parse(answer)).toEqual(forms.map(() => Date.UTC(1994, 10, 6, 8, 49, 37)));
});

test('what is no HTTP date', () => {
  expect(parseHttpDate('2026')).toBeUndefined();
  expect(parseHttpDate(undefined)).toBeUndefined();
});

test('an observed time is carried on by the monotonic clock for a day', () => {
  const clock = new FakeClock();
  const time = new TrustedTime(clock);
  time.observe(clock.now() + 3600_000);
  clock.jump(-5 * 3600_000);
  clock.advance(60_000);
  expect(time.now()).toBe(clock.now() + 6 * 3600_000);
  expect(time.skewMs()).toBe(-6 * 3600_000);
  clock.advance(25 * 3600_000);
  expect(time.now()).toBe(clock.now());
});

test('a difference of seconds is no knowledge', () => {
  const clock = new FakeClock();
  const time = new TrustedTime(clock);
  time.observe(clock.now() + 5000);
  expect(time.skewMs()).toBe(0);
});
