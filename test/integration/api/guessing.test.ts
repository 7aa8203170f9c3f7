import { PasswordHasher } from '../../../src/agent/accounts/password-hasher';
import { STRONG_PASSWORD, type TestApi, withApi } from '../../support/api';
import { waitFor } from '../../support/wait';

/** As costly as lets a queue grow. */
const SLOW = { logN: 13, r: 8, p: 1 } as const;
const GUESSERS = 100;
/** Of a guesser, so that answering them is not all that this process does. */
const PAUSE_MS = 25;

interface Storm {
  /** Answers to guesses so far, by status. */
  readonly answers: Map<number, number>;
  /** Guessers of which one guess at least was judged. */
  readonly failed: Set<number>;
  readonly end: () => Promise<void>;
}

async function login(api: TestApi, remoteAddress: string, name: string, password: string): Promise<number> {
  const payload = { acceptEULA: true, name, password };
  const answer = await api.app.inject({ method: 'POST', url: '/api/v1/auth', remoteAddress, payload });
  return answer.statusCode;
}

/** A hundred addresses that guess, each again soon after it is answered. */
function storm(api: TestApi, name: (guess: number) => string): Storm {
  const answers = new Map<number, number>();
  const failed = new Set<number>();
  let [going, guess] = [true, 0];
  const guessers = Array.from({ length: GUESSERS }, async (_each, i) => {
    while (going) {
      const status = await login(api, `192.0.2.${i + 1}`, name((guess += 1)), 'Wrong-4711!');
      answers.set(status, (answers.get(status) ?? 0) + 1);
      if (status === 401) failed.add(i);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  });
  return {
    answers,
    failed,
    end: async () => {
      going = false;
      await Promise.all(guessers);
    },
  };
}

/** Counts the passwords that were judged, and knows how many it were when the administrator's was done. */
class CountingHasher extends PasswordHasher {
  judged = 0;
  ofAdmin = 0;

  override async verify(...args: Parameters<PasswordHasher['verify']>): Promise<boolean> {
    const fits = await super.verify(...args);
    this.judged += 1;
    if (fits) this.ofAdmin = this.judged;
    return fits;
  }
}

test('a newcomer logs in at once while a hundred addresses guess, whatever is in the queue', async () => {
  const hasher = new CountingHasher(SLOW);
  await withApi(
    async (api) => {
      // Each name is another one, and the windows are wide: nothing but the queue stands between.
      await api.data('PUT', '/auth-lock', { enable: true, failWindow: 1, failTimes: 100, lockWindow: 1 });
      const guessing = storm(api, (guess) => `user${guess}`);
      await waitFor('each to have failed once', () => guessing.failed.size === GUESSERS, 40_000);
      expect(guessing.answers.get(503)).toBeGreaterThan(GUESSERS);
      for (let i = 0; i < 5; i += 1) {
        const before = hasher.judged;
        expect(await login(api, `198.51.100.${i + 1}`, 'admin', STRONG_PASSWORD)).toBe(200);
        // Its own, and those that ended between the count, its coming and its turn; 32 wait.
        expect(hasher.ofAdmin - before).toBeLessThanOrEqual(4);
      }
      await guessing.end();
    },
    { hasher },
  );
}, 60_000);

test('whoever logged in before is let in while strangers have the account locked', async () => {
  await withApi(async (api) => {
    expect(await login(api, '198.51.100.1', 'admin', STRONG_PASSWORD)).toBe(200);
    const guessing = storm(api, () => 'admin');
    await waitFor('the lock', () => (guessing.answers.get(423) ?? 0) > GUESSERS, 30_000);
    expect(await login(api, '198.51.100.2', 'admin', STRONG_PASSWORD)).toBe(423);
    expect(await login(api, '198.51.100.1', 'admin', STRONG_PASSWORD)).toBe(200);
    expect(await login(api, '127.0.0.1', 'admin', STRONG_PASSWORD)).toBe(200);
    await guessing.end();
  });
}, 60_000);

test('somebody who logs in all the time, rightly, keeps no newcomer out', async () => {
  const hasher = new CountingHasher(SLOW);
  await withApi(
    async (api) => {
      await api.data('PUT', '/auth-lock', { enable: true, failWindow: 1, failTimes: 100, lockWindow: 1 });
      let [going, logins] = [true, 0];
      const busy = Array.from({ length: 9 }, async () => {
        while (going) {
          if ((await login(api, '198.51.100.1', 'admin', STRONG_PASSWORD)) === 200) logins += 1;
        }
      });
      await waitFor('the queue to have formed', () => logins > 20, 30_000);
      const before = hasher.judged;
      expect(await login(api, '198.51.100.2', 'admin', STRONG_PASSWORD)).toBe(200);
      // Ten turns of a known source come before one of a new source, and some are judged while it is answered.
      expect(hasher.judged - before).toBeLessThan(30);
      going = false;
      await Promise.all(busy);
    },
    { hasher },
  );
}, 60_000);
