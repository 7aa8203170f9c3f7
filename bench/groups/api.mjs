// GET /device/general with a token through the agent, beside a bare fastify + @fastify/jwt route over HTTPS that returns
// the same bytes: requests per second and CPU time, interleaved; then the time to an answer while the agent's discovery
// port, or a socket of the bare server, is flooded with 20,000 datagrams a second, and while passwords are guessed.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { bareServer } from '../lib/bare-server.mjs';
import { bundle } from '../lib/bundle.mjs';
import { against, compare, report } from '../lib/figure.mjs';
import { httpsLatencies, httpsRate } from '../lib/https-load.mjs';
import { compile } from '../lib/peer.mjs';
import { Rig, call, cpuMs, percentile, tokenOf } from '../lib/rig.mjs';

const PATH = '/api/v1/device/general';
const FLOOD_PER_SECOND = 20_000;
const FLOOD_SECONDS = 4;
/** What a busy machine may take of the sender; below that it was another flood than the one that is claimed. */
const LEAST_ARRIVED = 0.95;
const FLOOD_P95_MS = 5;
const GUESSES_PER_SECOND = 100;

async function throughput(ours, bare, rounds) {
  const measure = async ({ port, token, pid }) => {
    const before = cpuMs(pid);
    const { perSecond, answered } = await httpsRate(port, PATH, token);
    return { perSecond, cpu: ((cpuMs(pid) - before) * 1000) / answered };
  };
  const taken = [];
  for (let round = 0; round <= rounds; round += 1) taken.push([await measure(ours), await measure(bare)]);
  // V8 compiles what is hot in the first.
  taken.shift();
  const of = (side, what) => taken.map((pair) => pair[side][what]);
  return {
    'api.general': compare(of(0, 'perSecond'), of(1, 'perSecond'), {
      unit: 'requests/s',
      bar: 1 / 0.85,
      moreIsBetter: true,
    }),
    'api.general.cpu': compare(of(0, 'cpu'), of(1, 'cpu'), { unit: 'µs/request' }),
  };
}

/** p95 of the answers while `sender` floods; fails when the flood was not what it should be. */
async function flooded(sender, datagram, { port, token, udpPort }) {
  const args = [udpPort, FLOOD_PER_SECOND, FLOOD_SECONDS, 64].map(String);
  const running = promisify(execFile)(sender, args);
  running.child.stdin.end(datagram);
  const taken = await httpsLatencies(port, PATH, token, FLOOD_SECONDS * 1000 - 500);
  const { perSecond } = JSON.parse((await running).stdout);
  if (perSecond < FLOOD_PER_SECOND * LEAST_ARRIVED) {
    throw new Error(`the flood had only ${perSecond} datagrams a second`);
  }
  return { p95: percentile(taken, 95), perSecond };
}

async function flood(rig, ours, bare, rounds) {
  const sender = compile(rig.folder, 'udp_flood', ['udp_flood.c']);
  const source = `export { encodeProbe } from './src/protocol/discovery';`;
  const { encodeProbe } = createRequire(import.meta.url)(
    await bundle(rig.folder, source, { name: 'protocol.cjs' }),
  );
  const { datagram } = encodeProbe();
  const [quiet, during, peers, seen] = [[], [], [], []];
  for (let round = 0; round < rounds; round += 1) {
    quiet.push(percentile(await httpsLatencies(ours.port, PATH, ours.token, 1500), 95));
    const before = await received(ours);
    const { p95 } = await flooded(sender, datagram, ours);
    during.push(p95);
    seen.push(((await received(ours)) - before) / FLOOD_SECONDS);
    peers.push((await flooded(sender, datagram, bare)).p95);
  }
  return {
    'api.flood.p95': against(FLOOD_P95_MS, during, 'ms'),
    'api.flood.p95.vsBare': compare(during, peers, { unit: 'ms' }),
    'api.flood.p95.vsQuiet': compare(during, quiet, { unit: 'ms' }),
    'api.flood.received': report(seen, 'datagrams/s'),
  };
}

/**
 * What everybody else notices of 100 wrong passwords a second, the half of them for an account that exists: `/health`
 * and a session that is open, beside no guesses.
 */
async function guessing(ours, seconds) {
  const figures = {};
  for (const sources of [1, 100]) {
    const both = async (ms) => {
      const taken = await Promise.all(
        [PATH, '/api/v1/health'].map((path) => httpsLatencies(ours.port, path, ours.token, ms)),
      );
      return taken.map((each) => percentile(each, 95));
    };
    const quiet = await both(2000);
    const workerData = { port: ours.port, perSecond: GUESSES_PER_SECOND, seconds, sources };
    const guesses = new Worker(new URL('../lib/guesses.mjs', import.meta.url), { workerData });
    const outcome = once(guesses, 'message');
    const during = await both(seconds * 1000);
    const [{ perSecond, counts }] = await outcome;
    console.error(
      `guesses from ${sources} addresses: ${Math.round(perSecond)}/s, by status ${JSON.stringify(counts)}`,
    );
    const name = `api.guesses.from${sources}`;
    figures[`${name}.session.p95`] = compare([during[0]], [quiet[0]], { unit: 'ms' });
    figures[`${name}.health.p95`] = compare([during[1]], [quiet[1]], { unit: 'ms' });
  }
  return figures;
}

/** Datagrams that the agent has read so far, whatever it did with them. */
async function received({ port, token }) {
  const { text } = await call(port, 'GET', '/metrics', { token });
  const counts = [...text.matchAll(/^tpe_discovery_datagrams_total\{[^}]*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

export async function run({ quick }) {
  const rig = new Rig();
  try {
    const agent = await rig.agent({ config: rig.agentConfig({ tcti: await rig.swtpm() }) });
    const token = await tokenOf(agent.apiPort);
    const ours = { port: agent.apiPort, udpPort: agent.discoveryPort, token, pid: agent.pid };
    const { text } = await call(ours.port, 'GET', '/device/general', { token });
    const bare = await bareServer(rig, PATH, text);
    return {
      ...(await throughput(ours, bare, quick ? 3 : 12)),
      ...(await flood(rig, ours, bare, quick ? 2 : 6)),
      ...(await guessing(ours, quick ? 5 : 60)),
    };
  } finally {
    await rig.close();
  }
}
