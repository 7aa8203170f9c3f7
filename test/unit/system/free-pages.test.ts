import { FreePages } from '../../../src/agent/system/free-pages';
import { FakeClock } from '../../support/fake-clock';

const MINUTE = 60_000;

test('gives back after the first minute and every hour until it is stopped', () => {
  const clock = new FakeClock();
  let given = 0;
  const pages = new FreePages(clock, () => (given += 1));
  pages.start();
  clock.advance(MINUTE - 1);
  expect(given).toBe(0);
  clock.advance(1);
  expect(given).toBe(1);
  clock.advance(24 * 60 * MINUTE);
  expect(given).toBe(25);
  pages.stop();
  clock.advance(24 * 60 * MINUTE);
  expect(given).toBe(25);
});
