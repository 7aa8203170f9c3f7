// How long a probe waits for its answer at 1,000 probes a second, with the random delay and the rate limits off, beside a
// bare dgram socket that sends a datagram of the same size back. Interleaved; the median of the rounds' ratios.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { bundle } from '../lib/bundle.mjs';
import { compare } from '../lib/figure.mjs';
import { Rig, median, percentile } from '../lib/rig.mjs';

const PER_SECOND = 1000;
/** Late answers are waited for, so that a full queue shows in the percentile. */
const GRACE_MS = 500;

const RESPONDER = `
import { DiscoveryResponder } from './src/agent/discovery/responder';
import { systemClock } from './src/common/clock';
import { createLogger } from './src/common/logger';
const rate = { perSecond: 1e9, burst: 1e9 };
const responder = new DiscoveryResponder({
  identity: { deviceId: 'd1', serialNumber: 'TAICB1046771', modelName: 'UC-8100A-ME-T-LX', mac: '0090e87946b5', firmwareVersion: '1.3.2' } as never,
  port: 0,
  address: '127.0.0.1',
  endpoint: () => ({ port: 8443, keySha256: 'A'.repeat(43) + '=' }),
  interfaces: () => [],
  limits: { perSource: rate, total: rate, largestTable: 16 },
  longestDelayMs: 0,
  clock: systemClock,
  logger: createLogger('bench', 'silent'),
});
void responder.start().then(() => console.log(JSON.stringify({ port: responder.port })));
`;

const echo = (bytes) => `
const socket = require('node:dgram').createSocket('udp4');
const answer = Buffer.alloc(${bytes}, 32);
socket.on('message', (message, from) => {
  // The nonce travels back here, too.
  message.copy(answer, 0, 0, 128);
  socket.send(answer, from.port, from.address);
});
socket.bind(0, '127.0.0.1', () => console.log(JSON.stringify({ port: socket.address().port })));
`;

const NONCE = /"nonce":"([^"]+)"/;

/** Milliseconds from probe to answer of `seconds` of probing. */
async function probe(port, encodeProbe, seconds) {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const sent = new Map();
  const taken = [];
  let answerBytes = 0;
  socket.on('message', (message) => {
    const nonce = NONCE.exec(message.toString('latin1'))?.[1];
    const at = sent.get(nonce);
    if (at === undefined) return;
    sent.delete(nonce);
    taken.push(performance.now() - at);
    answerBytes = message.length;
  });
  const started = performance.now();
  const total = PER_SECOND * seconds;
  for (let count = 0; count < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - started) * PER_SECOND) / 1000));
    for (; count < due; count += 1) {
      const { nonce, datagram } = encodeProbe();
      sent.set(nonce, performance.now());
      socket.send(datagram, port, '127.0.0.1');
    }
    await new Promise((done) => setImmediate(done));
  }
  await new Promise((done) => setTimeout(done, GRACE_MS));
  socket.close();
  if (taken.length < total * 0.99)
    throw new Error(`${total - taken.length} of ${total} probes got no answer`);
  return { p50: median(taken), p99: percentile(taken, 99), answerBytes };
}

export async function run({ quick }) {
  const rig = new Rig();
  try {
    const protocol = await bundle(rig.folder, `export { encodeProbe } from './src/protocol/discovery';`, {
      name: 'protocol.cjs',
    });
    const { encodeProbe } = createRequire(import.meta.url)(protocol);
    const responder = rig.spawn(process.execPath, [
      await bundle(rig.folder, RESPONDER, { name: 'responder.cjs' }),
    ]);
    const ours = await rig.line(responder, (line) => JSON.parse(line));
    const { answerBytes } = await probe(ours.port, encodeProbe, 1);
    const peer = rig.spawn(process.execPath, ['-e', echo(answerBytes)]);
    const theirs = await rig.line(peer, (line) => JSON.parse(line));
    await probe(theirs.port, encodeProbe, 1);
    const rounds = [];
    for (let round = 0; round < (quick ? 3 : 9); round += 1) {
      rounds.push([
        await probe(ours.port, encodeProbe, quick ? 2 : 4),
        await probe(theirs.port, encodeProbe, quick ? 2 : 4),
      ]);
    }
    const figure = (what, bar) =>
      compare(
        rounds.map(([own]) => own[what]),
        rounds.map(([, other]) => other[what]),
        { unit: 'ms', ...(bar === undefined ? {} : { bar }) },
      );
    return { 'discovery.p50': figure('p50'), 'discovery.p99': figure('p99', 1.5) };
  } finally {
    await rig.close();
  }
}
