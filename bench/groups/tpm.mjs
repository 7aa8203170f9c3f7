// The TPM through the addon, beside a plain C loop over the same ESYS calls and beside azure-iot-security-tpm, all on one
// swtpm, in turn. EK and SRK are persistent, as after the factory step.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { load } from '../lib/bundle.mjs';
import { Rig, median, percentile, root } from '../lib/rig.mjs';

const OVERLAPPED = 1000;
const DATA = Buffer.alloc(96, 'token');
/** Longest delay of the event loop during a TPM call, p99. */
const LOOP_BAR_MS = 2;

const SOURCES = `
export { openTpm } from './src/agent/tpm';
export { wrapForTpm } from './src/emulator/tpm/authentication-key';
export { parseStorageKey } from './src/emulator/tpm/public-area';
export { securityClient } from './test/interop/support/microsoft-device';
`;

function buildPeer(folder) {
  const program = join(folder, 'esys_peer');
  const flags = execFileSync('pkg-config', ['--cflags', '--libs', 'tss2-esys', 'tss2-mu', 'tss2-tctildr'], {
    encoding: 'utf8',
  });
  const sources = ['-o', program, join(root, 'bench/native/esys_peer.c')];
  execFileSync(process.env.CC ?? 'cc', ['-O2', ...sources, ...flags.trim().split(/\s+/)]);
  return program;
}

/** The C program; `ask('sign', 100)` gives the microseconds of each of 100 operations. */
async function startPeer(program, args) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the C program of the bench ended');
    return value;
  };
  await next();
  return {
    async ask(what, count) {
      child.stdin.write(`${what} ${count}\n`);
      return (await next())
        .trim()
        .split(' ')
        .map((nanoseconds) => Number(nanoseconds) / 1000);
    },
    async close() {
      const gone = new Promise((done) => child.once('exit', done));
      child.stdin.end();
      await gone;
    },
  };
}

async function each(count, operation) {
  const taken = [];
  for (let i = 0; i < count; i += 1) {
    const from = performance.now();
    await operation();
    taken.push((performance.now() - from) * 1000);
  }
  return taken;
}

/** Milliseconds that a 1 ms timer comes late while `work` runs. */
async function lateness(work) {
  const late = [];
  let due = performance.now() + 1;
  const timer = setInterval(() => {
    late.push(Math.max(0, performance.now() - due));
    due = performance.now() + 1;
  }, 1);
  await work();
  clearInterval(timer);
  return late;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export async function run({ quick }) {
  const rig = new Rig();
  const closing = [];
  try {
    const { openTpm, wrapForTpm, parseStorageKey, securityClient } = await load(rig.folder, SOURCES);
    const tcti = await rig.swtpm();
    const tpm = await openTpm({ tcti });
    closing.push(() => tpm.close());
    await tpm.persistPrimaries();
    const [ek, srk] = [await tpm.endorsementKey(), await tpm.storageRootKey()].map((key) =>
      parseStorageKey(key.public.toString('base64')),
    );
    const blob = wrapForTpm(ek, srk, randomBytes(32), 'https://example.azure-devices.net');
    const key = await tpm.activateIdentityKey(blob);
    await tpm.loadIdentityKey(key);
    const files = Object.entries({ public: key.public, private: key.private, blob }).map(([name, bytes]) => {
      const path = join(rig.folder, name);
      writeFileSync(path, bytes);
      return path;
    });
    const peer = await startPeer(buildPeer(rig.folder), [tcti, ...files]);
    closing.push(() => peer.close());

    const microsoft = securityClient({ socket: tcti.slice('swtpm:path='.length) }, 'bench');
    const callback = (start) =>
      new Promise((done, refuse) => start((error, value) => (error ? refuse(error) : done(value))));
    await callback((done) => microsoft.getEndorsementKey(done));
    await callback((done) => microsoft.getStorageRootKey(done));
    await callback((done) => microsoft.activateIdentityKey(blob, done));

    const signs = quick ? 200 : 1000;
    const activations = quick ? 10 : 40;
    const samples = { sign: [], overlapped: [], signC: [], signMs: [], activate: [], activateC: [] };
    const ratios = { sign: [], overlapped: [], vsMicrosoft: [], activate: [] };
    for (let round = 0; round <= (quick ? 3 : 9); round += 1) {
      const signC = await peer.ask('sign', signs);
      const sign = await each(signs, () => tpm.sign(DATA));
      const from = performance.now();
      await Promise.all(Array.from({ length: OVERLAPPED }, () => tpm.sign(DATA)));
      const overlapped = ((performance.now() - from) * 1000) / OVERLAPPED;
      const signMs = await each(signs / 4, () => callback((done) => microsoft.signWithIdentity(DATA, done)));
      const activateC = await peer.ask('activate', activations);
      const activate = await each(activations, () => tpm.activateIdentityKey(blob));
      // The first round warms up.
      if (round === 0) continue;
      const [p50, p50C, p50Ms] = [median(sign), median(signC), median(signMs)];
      ratios.sign.push(p50 / p50C);
      ratios.overlapped.push(overlapped / mean(signC));
      ratios.vsMicrosoft.push(p50 / p50Ms);
      ratios.activate.push(median(activate) / median(activateC));
      samples.sign.push(p50);
      samples.signC.push(p50C);
      samples.signMs.push(p50Ms);
      samples.overlapped.push(overlapped);
      samples.activate.push(median(activate));
      samples.activateC.push(median(activateC));
    }
    const signing = await lateness(() => each(signs * 5, () => tpm.sign(DATA)));
    const activating = await lateness(() => each(activations * 4, () => tpm.activateIdentityKey(blob)));
    const p99 = Math.max(percentile(signing, 99), percentile(activating, 99));
    const figure = (value, peerValue, ratio, bar, unit = 'µs') => ({
      value: median(value),
      unit,
      peer: median(peerValue),
      ratio: median(ratio),
      bar,
    });
    return {
      'tpm.sign': figure(samples.sign, samples.signC, ratios.sign, 1.5),
      'tpm.signOverlapped': figure(samples.overlapped, samples.signC, ratios.overlapped, 1.15),
      'tpm.sign.vsMicrosoft': figure(samples.sign, samples.signMs, ratios.vsMicrosoft, 1 / 1.5),
      'tpm.activate': figure(samples.activate, samples.activateC, ratios.activate, 1.3),
      'tpm.eventLoopDelay.p99': {
        value: p99,
        unit: 'ms',
        peer: LOOP_BAR_MS,
        ratio: p99 / LOOP_BAR_MS,
        bar: 1,
      },
    };
  } finally {
    for (const close of closing.reverse()) await close();
    await rig.close();
  }
}
