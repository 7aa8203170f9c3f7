import { RateLimiter, TokenBucket } from '../../../src/agent/discovery/token-bucket';

test('a bucket gives its burst at once and then refills with time', () => {
  const bucket = new TokenBucket({ perSecond: 2, burst: 3 }, 0);
  expect([1, 2, 3, 4].map(() => bucket.take(0))).toEqual([true, true, true, false]);
  expect(bucket.take(499)).toBe(false);
  expect(bucket.take(500)).toBe(true);
  expect([1, 2, 3, 4].map(() => bucket.take(60_000))).toEqual([true, true, true, false]);
});

test('a noisy source is limited without taking anything from the others', () => {
  const rate = { perSecond: 1, burst: 2 };
  const limiter = new RateLimiter({ perSource: rate, total: { perSecond: 1, burst: 4 }, largestTable: 8 }, 0);
  expect([1, 2, 3, 4, 5].map(() => limiter.admits('a', 0))).toEqual([true, true, false, false, false]);
  expect([1, 2, 3].map(() => limiter.admits('b', 0))).toEqual([true, true, false]);
  expect(limiter.admits('c', 0)).toBe(false);
});

test('a hundred thousand forged sources do not grow the table, and the total holds', () => {
  const rate = { perSecond: 1, burst: 2 };
  const limiter = new RateLimiter(
    { perSource: rate, total: { perSecond: 1, burst: 50 }, largestTable: 100 },
    0,
  );
  let admitted = 0;
  for (let i = 0; i < 100_000; i += 1) admitted += limiter.admits(`10.0.${i >> 8}.${i & 255}`, 0) ? 1 : 0;
  expect(admitted).toBe(50);
  expect(limiter.size).toBeLessThanOrEqual(100);
});
