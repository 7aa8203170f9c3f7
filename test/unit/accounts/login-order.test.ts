import { FairQueue } from '../../../src/agent/accounts/fair-queue';
import { Standing } from '../../../src/agent/accounts/standing';
import { FakeClock } from '../../support/fake-clock';
import { waitFor } from '../../support/wait';

/** A queue whose work ends when the test says so. */
class Line {
  readonly queue: FairQueue;
  readonly done: string[] = [];
  readonly refused: string[] = [];
  #end: () => void = () => undefined;

  constructor(longest: number) {
    this.queue = new FairQueue(longest);
  }

  join(name: string, owner: string, cost: number, fails = false): void {
    const work = async (): Promise<void> => {
      await new Promise<void>((resolve) => (this.#end = resolve));
      if (fails) throw new Error(name);
    };
    this.queue.run(work, { owner, cost }).then(
      () => this.done.push(name),
      (error: unknown) =>
        (error instanceof Error && error.message === name ? this.done : this.refused).push(name),
    );
  }

  /** Ends what runs, and what follows it. */
  async finish(count: number): Promise<void> {
    const until = this.done.length + count;
    await waitFor('the work', () => {
      this.#end();
      return this.done.length >= until;
    });
  }
}

test('cheap work overtakes, the earlier one of two equals is next, and a failure holds nobody up', async () => {
  const line = new Line(8);
  line.join('runs', 'x', 5, true);
  for (const [name, cost] of [
    ['c', 2],
    ['a', 0.1],
    ['d', 2],
    ['b', 1],
  ] as const)
    line.join(name, name, cost);
  await line.finish(5);
  expect(line.done).toEqual(['runs', 'a', 'b', 'c', 'd']);
  line.join('later', 'x', 9);
  await line.finish(1);
  expect(line.done.at(-1)).toBe('later');
});

test('who asks often waits behind those who ask once', async () => {
  const line = new Line(8);
  line.join('runs', 'often', 1);
  for (let i = 1; i <= 3; i += 1) line.join(`often ${i}`, 'often', 1);
  line.join('once', 'once', 1);
  await line.finish(5);
  expect(line.done).toEqual(['runs', 'once', 'often 1', 'often 2', 'often 3']);
});

test('one owner keeps nobody waiting for ever, however cheap and many its pieces are', async () => {
  const line = new Line(8);
  line.join('runs', 'cheap', 0.1);
  line.join('dear', 'dear', 1);
  for (let i = 0; i < 4; i += 1) line.join(`first ${i}`, 'cheap', 0.1);
  for (let i = 0; i < 20; i += 1) {
    line.join(`cheap ${i}`, 'cheap', 0.1);
    await line.finish(1);
  }
  expect(line.done.indexOf('dear')).toBeGreaterThan(5);
  expect(line.done.indexOf('dear')).toBeLessThan(12);
});

test('newcomers overtake all who failed before, however long those have been at it', async () => {
  const line = new Line(16);
  const guess = (round: number): void => {
    for (let i = 0; i < 3; i += 1) line.join(`guess ${round} ${i}`, `guesser ${i}`, 2 + i);
  };
  for (let round = 0; round < 10; round += 1) {
    guess(2 * round);
    guess(2 * round + 1);
    await line.finish(6);
  }
  guess(20);
  guess(21);
  const before = line.done.length;
  line.join('newcomer', 'newcomer', 1);
  await line.finish(7);
  // Behind nobody but the one that was under way.
  expect(line.done.indexOf('newcomer') - before).toBe(1);
});

test('in a full line the last has to go, whether it just came or waited already', async () => {
  const line = new Line(2);
  for (const [name, cost] of [
    ['runs', 9],
    ['guess', 3],
    ['guess again', 4],
    ['newcomer', 1],
  ] as const) {
    line.join(name, name, cost);
  }
  line.join('another guess', 'guesser', 3);
  await line.finish(3);
  expect(line.refused).toEqual(['guess again', 'another guess']);
  expect(line.done).toEqual(['runs', 'newcomer', 'guess']);
});

describe('the standing of a source', () => {
  const cost = (standing: Standing, source: string): number => standing.share(source).cost;
  const fail = (standing: Standing, source: string, times: number): void => {
    for (let i = 0; i < times; i += 1) standing.failed(source);
  };

  it('falls with each failure, to a bound, and recovers in time', () => {
    const clock = new FakeClock();
    const standing = new Standing(clock);
    expect(standing.share('a')).toEqual({ owner: 'a', cost: 1 });
    fail(standing, 'a', 2);
    expect(cost(standing, 'a')).toBe(3);
    expect(cost(standing, 'b')).toBe(1);
    fail(standing, 'a', 1000);
    expect(cost(standing, 'a')).toBe(31);
    clock.advance(15 * 60_000 + 1);
    expect(cost(standing, 'a')).toBe(1);
  });

  it('is good where somebody logged in, until too much was failed from there', () => {
    const standing = new Standing(new FakeClock());
    fail(standing, 'a', 1);
    standing.succeeded('Olga', 'a');
    expect(standing.knows('olga', 'a')).toBe(true);
    expect(standing.knows('admin', 'a')).toBe(false);
    expect(cost(standing, 'a')).toBeLessThan(cost(standing, 'stranger'));
    fail(standing, 'a', 20);
    expect(cost(standing, 'a')).toBeGreaterThan(cost(standing, 'stranger'));
  });

  it('is good on the gateway itself', () => {
    const standing = new Standing(new FakeClock());
    for (const source of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      expect(cost(standing, source)).toBeLessThan(1);
      expect(standing.knows('admin', source)).toBe(true);
    }
  });

  it('is kept for so many sources only', () => {
    const standing = new Standing(new FakeClock());
    standing.succeeded('admin', 'first');
    fail(standing, 'guesser', 1);
    for (let i = 0; i < 3000; i += 1) standing.failed(`address ${i}`);
    // What strangers send pushes strangers out, never those who could log in.
    expect(cost(standing, 'guesser')).toBe(1);
    expect(standing.knows('admin', 'first')).toBe(true);
  });
});
