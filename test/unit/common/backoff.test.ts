import { fullJitter } from '../../../src/common/backoff';

const options = { baseMs: 1000, capMs: 60_000 };

test.each([0, 1, 3, 10])('the waits of attempt %i are spread evenly between 0 and the ceiling', (attempt) => {
  const ceiling = Math.min(options.capMs, options.baseMs * 2 ** attempt);
  const draws = 40_000;
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < draws; i += 1) {
    const wait = fullJitter(attempt, options);
    if (wait < 0 || wait > ceiling) throw new Error(`${wait} is outside of 0 to ${ceiling}`);
    const bucket = Math.min(9, Math.floor((10 * wait) / (ceiling + 1)));
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  // Chi-squared with 9 degrees of freedom: 40 is passed by chance once in 100,000 runs.
  const expected = draws / 10;
  const chiSquared = buckets.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(chiSquared).toBeLessThan(40);
});

test('ends of the range, and an attempt that would overflow', () => {
  expect(fullJitter(5, options, () => 0)).toBe(0);
  expect(fullJitter(0, options, () => 0.9999999)).toBe(1000);
  expect(fullJitter(5000, options, () => 0.9999999)).toBe(60_000);
});
