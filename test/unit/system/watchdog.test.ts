import { StateMachineProof, watchQueue } from '../../../src/agent/system/proofs';
import { Watchdog } from '../../../src/agent/system/watchdog';
import type { Clock } from '../../../src/common/clock';
import { createLogger } from '../../../src/common/logger';

/** A clock that stands still until it is moved; runs what becomes due on the way. */
class ManualClock implements Clock {
  wall = Date.parse('2026-01-01T00:00:00Z');
  #at = 0;
  #timers: { at: number; run: () => void }[] = [];
  now = (): number => this.wall + this.#at;
  monotonic = (): number => this.#at;
  after(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { at: this.#at + delayMs, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((t) => t !== timer)) };
  }
  advance(ms: number): void {
    const end = this.#at + ms;
    for (;;) {
      const next = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((t) => t !== next);
      this.#at = next.at;
      next.run();
    }
    this.#at = end;
  }
}

const logger = createLogger('test', 'silent');
let clock: ManualClock;
let fed: number;
const feed = (): void => void (fed += 1);

beforeEach(() => {
  clock = new ManualClock();
  fed = 0;
});

test('is fed three times a period while every part moves', () => {
  const dog = new Watchdog({ periodMs: 30_000, proofs: [], clock, logger, feed });
  dog.start();
  clock.advance(60_000);
  expect(fed).toBe(7);
  dog.stop();
  clock.advance(60_000);
  expect(fed).toBe(7);
});

test('is not fed at all where nobody watches', () => {
  new Watchdog({ periodMs: undefined, proofs: [], clock, logger, feed }).start();
  clock.advance(60_000);
  expect(fed).toBe(0);
});

test('a TPM command that does not return stops the feeding after its deadline, and its return starts it again', async () => {
  let finish: (() => void) | undefined;
  const tpm = { sign: () => new Promise<void>((resolve) => (finish = resolve)) };
  const { watched, proof } = watchQueue(tpm, clock, 'tpm', 50_000);
  const dog = new Watchdog({ periodMs: 30_000, proofs: [proof], clock, logger, feed });
  dog.start();
  clock.advance(100_000);
  const before = fed;
  const signing = watched.sign();
  clock.advance(49_000);
  expect(fed).toBeGreaterThan(before);
  expect(dog.stuck).toBeUndefined();
  clock.advance(20_000);
  const stopped = fed;
  expect(dog.stuck).toBe('tpm');
  clock.advance(100_000);
  expect(fed).toBe(stopped);
  finish?.();
  await signing;
  clock.advance(10_000);
  expect(dog.stuck).toBeUndefined();
  expect(fed).toBe(stopped + 1);
});

test('a long queue whose commands finish one after the other, failures too, is progress', async () => {
  const waiting: ((failed: boolean) => void)[] = [];
  const tpm = {
    calls: 0,
    sign(): Promise<void> {
      this.calls += 1;
      return new Promise((resolve, reject) =>
        waiting.push((failed) => (failed ? reject(new Error('0x922')) : resolve())),
      );
    },
  };
  const { watched, proof } = watchQueue(tpm, clock, 'tpm', 50_000);
  const results = [0, 1, 2, 3].map(() => watched.sign().catch(() => 'failed'));
  for (const [index, settle] of waiting.entries()) {
    clock.advance(40_000);
    expect(proof.dueBy()).toBeGreaterThan(clock.monotonic());
    settle(index % 2 === 0);
    await results[index];
  }
  expect(tpm.calls).toBe(4);
  expect(watched.calls).toBe(4);
  expect(proof.dueBy()).toBe(Infinity);
});

test.each(['registering', 'connecting'])('a lifecycle that stays in %s is stuck', (state) => {
  const proof = new StateMachineProof(clock, 30 * 60_000);
  proof.entered({ state });
  clock.advance(29 * 60_000);
  expect(proof.dueBy()).toBeGreaterThan(clock.monotonic());
  clock.advance(2 * 60_000);
  expect(proof.dueBy()).toBeLessThan(clock.monotonic());
  proof.entered({ state: 'connected' });
  expect(proof.dueBy()).toBe(Infinity);
});

test('a retry that was announced and does not come is stuck; a jump of the wall clock is not', () => {
  const proof = new StateMachineProof(clock, 30 * 60_000);
  proof.entered({ state: 'backingOff', nextRetry: new Date(clock.now() + 600_000).toISOString() });
  clock.wall += 365 * 86_400_000;
  clock.advance(600_000);
  expect(proof.dueBy()).toBeGreaterThan(clock.monotonic());
  clock.advance(301_000);
  expect(proof.dueBy()).toBeLessThan(clock.monotonic());
});

test.each(['unconfigured', 'waitingForTime', 'failed', 'connected'])('%s may last for ever', (state) => {
  const proof = new StateMachineProof(clock, 30 * 60_000);
  proof.entered({ state });
  clock.advance(365 * 86_400_000);
  expect(proof.dueBy()).toBe(Infinity);
});
