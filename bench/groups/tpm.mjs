// The TPM through the addon, beside a plain C loop over the same ESYS calls and beside azure-iot-security-tpm, all on one
// swtpm, in turn. EK and SRK are persistent, as after the factory step.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from '../lib/bundle.mjs';
import { against, compare } from '../lib/figure.mjs';
import { compile, startPeer } from '../lib/peer.mjs';
import { Rig, median, percentile } from '../lib/rig.mjs';

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

const LIBRARIES = ['tss2-esys', 'tss2-mu', 'tss2-tctildr'];

/** Microseconds of each of `count` operations of the C program. */
async function askC(peer, what, count) {
  const answer = await peer.ask(`${what} ${count}`);
  return answer
    .trim()
    .split(' ')
    .map((nanoseconds) => Number(nanoseconds) / 1000);
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
    const peer = await startPeer(
      compile(rig.folder, 'esys_peer', ['esys_peer.c', 'esys_calls.c'], LIBRARIES),
      [tcti, ...files],
    );
    closing.push(() => peer.close());

    const microsoft = securityClient({ socket: tcti.slice('swtpm:path='.length) }, 'bench');
    const callback = (start) =>
      new Promise((done, refuse) => start((error, value) => (error ? refuse(error) : done(value))));
    await callback((done) => microsoft.getEndorsementKey(done));
    await callback((done) => microsoft.getStorageRootKey(done));
    await callback((done) => microsoft.activateIdentityKey(blob, done));

    const signs = quick ? 200 : 1000;
    const activations = quick ? 10 : 40;
    const samples = {
      sign: [],
      signC: [],
      meanC: [],
      overlapped: [],
      signMicrosoft: [],
      activate: [],
      activateC: [],
    };
    for (let round = 0; round <= (quick ? 3 : 9); round += 1) {
      const signC = await askC(peer, 'sign', signs);
      const sign = await each(signs, () => tpm.sign(DATA));
      const from = performance.now();
      await Promise.all(Array.from({ length: OVERLAPPED }, () => tpm.sign(DATA)));
      const overlapped = ((performance.now() - from) * 1000) / OVERLAPPED;
      const signMicrosoft = await each(signs / 4, () =>
        callback((done) => microsoft.signWithIdentity(DATA, done)),
      );
      const activateC = await askC(peer, 'activate', activations);
      const activate = await each(activations, () => tpm.activateIdentityKey(blob));
      // The first round warms up.
      if (round === 0) continue;
      samples.sign.push(median(sign));
      samples.signC.push(median(signC));
      samples.meanC.push(mean(signC));
      samples.overlapped.push(overlapped);
      samples.signMicrosoft.push(median(signMicrosoft));
      samples.activate.push(median(activate));
      samples.activateC.push(median(activateC));
    }
    const late = { busy: [], idle: [] };
    for (let round = 0; round < (quick ? 3 : 7); round += 1) {
      const signing = await lateness(() => each(signs * 2, () => tpm.sign(DATA)));
      const activating = await lateness(() => each(activations * 2, () => tpm.activateIdentityKey(blob)));
      const idle = await lateness(() => new Promise((done) => setTimeout(done, quick ? 500 : 2000)));
      late.busy.push(Math.max(percentile(signing, 99), percentile(activating, 99)));
      late.idle.push(percentile(idle, 99));
    }
    return {
      'tpm.sign': compare(samples.sign, samples.signC, { unit: 'µs', bar: 1.5 }),
      'tpm.signOverlapped': compare(samples.overlapped, samples.meanC, { unit: 'µs', bar: 1.15 }),
      'tpm.sign.vsMicrosoft': compare(samples.sign, samples.signMicrosoft, { unit: 'µs', bar: 1 / 1.5 }),
      'tpm.activate': compare(samples.activate, samples.activateC, { unit: 'µs', bar: 1.3 }),
      'tpm.eventLoopDelay.p99': against(LOOP_BAR_MS, late.busy, 'ms'),
      // What the machine itself costs a timer: without it, a busy neighbour looks like our work.
      'tpm.eventLoopDelay.vsIdle': compare(late.busy, late.idle, { unit: 'ms' }),
    };
  } finally {
    for (const close of closing.reverse()) await close();
    await rig.close();
  }
}
