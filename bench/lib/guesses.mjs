// A thread that guesses passwords: each guess on a TLS connection of its own, from one loopback address after the other.
import { request } from 'node:https';
import { parentPort, workerData } from 'node:worker_threads';

const { port, perSecond, seconds, sources } = workerData;

/** Status of one guess; 0 where the connection ended without an answer. */
async function guess(count) {
  return await new Promise((done) => {
    const one = request(
      {
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: '/api/v1/auth',
        // 127.0.0.1 is whom the others come from.
        localAddress: `127.0.1.${1 + (count % sources)}`,
        rejectUnauthorized: false,
        agent: false,
      },
      (response) => {
        response.resume();
        response.on('end', () => done(response.statusCode));
      },
    );
    one.on('error', () => done(0));
    one.end(
      JSON.stringify({
        acceptEULA: true,
        name: count % 2 === 0 ? 'admin' : `user${count}`,
        password: `Wrong-${count}!`,
      }),
    );
  });
}

const counts = {};
const started = performance.now();
const guesses = [];
for (let count = 0; count < perSecond * seconds;) {
  const due = Math.min(perSecond * seconds, ((performance.now() - started) * perSecond) / 1000);
  for (; count < due; count += 1) {
    guesses.push(guess(count).then((status) => (counts[status] = (counts[status] ?? 0) + 1)));
  }
  await new Promise((done) => setTimeout(done, 10));
}
await Promise.all(guesses);
parentPort.postMessage({ perSecond: (guesses.length * 1000) / (performance.now() - started), counts });
