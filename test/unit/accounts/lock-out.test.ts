import { DEFAULT_LOCK_OUT, LockOut } from '../../../src/agent/accounts/lock-out';
import { FakeClock } from '../../support/fake-clock';

const MINUTE = 60_000;
const settings = { ...DEFAULT_LOCK_OUT, failTimes: 10, failWindow: 15, lockWindow: 10 };

function lockOut(clock = new FakeClock()): {
  locks: LockOut;
  clock: FakeClock;
  banned: (name: string, source: string) => boolean;
} {
  const locks = new LockOut(
    clock,
    () => settings,
    (name) => name === 'admin',
  );
  const banned = (name: string, source: string): boolean => {
    try {
      locks.attempt(name, source);
      return false;
    } catch (error) {
      expect(error).toMatchObject({ code: 'API_ACCOUNT_BANNED' });
      return true;
    }
  };
  return { locks, clock, banned };
}

const times = (count: number, run: (i: number) => void): void => {
  for (let i = 0; i < count; i += 1) run(i);
};

describe('the lock-out', () => {
  it('locks an account for the source that guessed, and lets it in again after the window', () => {
    const { banned, clock } = lockOut();
    times(10, () => expect(banned('admin', 'a')).toBe(false));
    expect(banned('admin', 'a')).toBe(true);
    expect(banned('ADMIN', 'a')).toBe(true);
    clock.advance(10 * MINUTE + 1);
    times(10, () => expect(banned('admin', 'a')).toBe(false));
    expect(banned('admin', 'a')).toBe(true);
  });

  it('one source that guesses does not lock the owner out who comes from another', () => {
    const { banned } = lockOut();
    times(200, () => banned('admin', 'attacker'));
    expect(banned('admin', 'owner')).toBe(false);
  });

  it('many sources that guess one account lock it for all', () => {
    const { banned } = lockOut();
    times(50, (i) => banned('admin', `bot-${i}`));
    expect(banned('admin', 'another')).toBe(true);
  });

  it('does not lock the owner out who logged in from there before, whoever guesses', () => {
    const { banned, locks } = lockOut();
    times(60, (i) => banned('admin', `bot-${i}`));
    expect(banned('admin', 'another')).toBe(true);
    expect(() => locks.attempt('admin', 'owner', true)).not.toThrow();
    // That one login is no reason to let the guessers go on.
    locks.succeeded('admin', 'owner', true);
    expect(banned('admin', 'another')).toBe(true);
    // Nor is a known source one that may guess.
    times(10, () => locks.attempt('admin', 'owner', true));
    expect(() => locks.attempt('admin', 'owner', true)).toThrow('banned');
  });

  it('a source that tries many names is locked for every name', () => {
    const { banned } = lockOut();
    times(30, (i) => banned(`user${i}`, 'a'));
    expect(banned('somebody', 'a')).toBe(true);
    expect(banned('somebody', 'b')).toBe(false);
  });

  it('an attempt that was not judged is not counted, and takes back no lock of others', () => {
    const { locks, banned } = lockOut();
    times(9, () => banned('admin', 'a'));
    banned('admin', 'a');
    locks.withdrawn('admin', 'a');
    expect(banned('admin', 'a')).toBe(false);
    expect(banned('admin', 'a')).toBe(true);
  });

  it('nine guesses and one busy answer, over and over, end in a lock', () => {
    const { locks, banned } = lockOut();
    let guesses = 0;
    times(20, () => {
      times(9, () => (guesses += banned('admin', 'a') ? 0 : 1));
      if (!banned('admin', 'a')) locks.withdrawn('admin', 'a');
    });
    expect(guesses).toBeLessThanOrEqual(10);
  });

  it('a flood of invented names does not wash out what is counted for an account that exists', () => {
    const { banned } = lockOut();
    times(49, (i) => banned('admin', `bot-${i}`));
    times(5000, (i) => banned(`invented${i}`, `flood-${i}`));
    banned('admin', 'bot-49');
    expect(banned('admin', 'bot-50')).toBe(true);
  });

  it('a success, and an administrator, begin anew', () => {
    const { locks, banned } = lockOut();
    times(9, () => banned('admin', 'a'));
    locks.succeeded('admin', 'a');
    times(10, () => expect(banned('admin', 'a')).toBe(false));
    expect(banned('admin', 'a')).toBe(true);
    locks.forget('admin');
    expect(banned('admin', 'a')).toBe(false);
  });
});
