import { OrderedQueue } from '../../../src/agent/accounts/ordered-queue';
import { Standing } from '../../../src/agent/accounts/standing';
import { FakeClock } from '../../support/fake-clock';
import { waitFor } from '../../support/wait';

/** A queue whose work ends when the test says so. */
class Line {
  readonly queue: OrderedQueue;
  readonly done: string[] = [];
  readonly refused: string[] = [];
  #end: () => void = () => undefined;

  constructor(longest: number) {
    this.queue = new OrderedQueue(longest);
  }

  join(name: string, order: number, fails = false): void {
    const work = async (): Promise<void> => {
      await new Promise<void>((resolve) => (this.#end = resolve));
      if (fails) throw new Error(name);
    };
    this.queue.run(work, order).then(
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

test('the smallest order is next, the earlier one of two equals, and a failure holds nobody up', async () => {
  const line = new Line(8);
  line.join('runs', 5, true);
  for (const [name, order] of [
    ['c', 2],
    ['a', -1],
    ['d', 2],
    ['b', 0],
  ] as const)
    line.join(name, order);
  await line.finish(5);
  expect(line.done).toEqual(['runs', 'a', 'b', 'c', 'd']);
  line.join('later', 9);
  await line.finish(1);
  expect(line.done.at(-1)).toBe('later');
});

test('in a full line the last has to go, whether it just came or waited already', async () => {
  const line = new Line(2);
  for (const [name, order] of [
    ['runs', 9],
    ['guess', 3],
    ['guess again', 4],
    ['newcomer', 0],
  ] as const) {
    line.join(name, order);
  }
  line.join('another guess', 3);
  await line.finish(3);
  expect(line.refused).toEqual(['guess again', 'another guess']);
  expect(line.done).toEqual(['runs', 'newcomer', 'guess']);
});

describe('the standing of a source', () => {
  it('falls with each attempt, also with those under way, and recovers in time', () => {
    const clock = new FakeClock();
    const standing = new Standing(clock);
    expect([0, 1, 2].map(() => standing.attempt('a'))).toEqual([0, 1, 2]);
    expect(standing.attempt('b')).toBe(0);
    standing.withdrawn('a');
    expect(standing.attempt('a')).toBe(2);
    clock.advance(15 * 60_000 + 1);
    expect(standing.attempt('a')).toBe(0);
  });

  it('is good where somebody logged in, until too much was failed from there', () => {
    const standing = new Standing(new FakeClock());
    standing.attempt('a');
    standing.succeeded('Olga', 'a');
    expect(standing.knows('olga', 'a')).toBe(true);
    expect(standing.knows('admin', 'a')).toBe(false);
    expect(standing.attempt('a')).toBeLessThan(standing.attempt('stranger'));
    for (let i = 0; i < 20; i += 1) standing.attempt('a');
    expect(standing.attempt('a')).toBeGreaterThan(standing.attempt('stranger'));
  });

  it('is good on the gateway itself', () => {
    const standing = new Standing(new FakeClock());
    for (const source of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      expect(standing.attempt(source)).toBeLessThan(0);
      expect(standing.knows('admin', source)).toBe(true);
    }
  });

  it('is kept for so many sources only', () => {
    const standing = new Standing(new FakeClock());
    standing.succeeded('admin', 'first');
    standing.attempt('guesser');
    for (let i = 0; i < 3000; i += 1) standing.attempt(`address ${i}`);
    // What strangers send pushes strangers out, never those who could log in.
    expect(standing.attempt('guesser')).toBe(0);
    expect(standing.knows('admin', 'first')).toBe(true);
  });
});
