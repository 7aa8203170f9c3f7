// The TPM through the addon, beside a plain C loop over the same ESYS calls and beside azure-iot-security-tpm: one process
// each, all on one swtpm, in turn. EK and SRK are persistent, as after the factory step.
import { join } from 'node:path';
import { against, compare } from '../lib/figure.mjs';
import { command, compile, program, startPeer } from '../lib/peer.mjs';
import { Rig, median, nodeInUse, percentile } from '../lib/rig.mjs';

const OVERLAPPED = 1000;
/** Longest delay of the event loop during a TPM call, p99. */
const LOOP_BAR_MS = 2;
const LIBRARIES = ['tss2-esys', 'tss2-mu', 'tss2-tctildr'];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export async function run({ quick }) {
  const rig = new Rig();
  const closing = [];
  const start = async (...started) => {
    const peer = await startPeer(...started);
    closing.push(() => peer.close());
    return async (what) => JSON.parse(await peer.ask(what));
  };
  try {
    const tcti = await rig.swtpm();
    const files = ['public', 'private', 'blob'].map((name) => join(rig.folder, name));
    const own = await program(rig.folder, 'tpm-ours');
    const ours = await start(nodeInUse(), [own, tcti, rig.folder]);
    const least = compile(rig.folder, 'esys_peer', ['esys_peer.c', 'esys_calls.c'], LIBRARIES);
    const peer = await start(...command(least, [tcti, ...files]));
    const c = async (what) => (await peer(what)).map((nanoseconds) => nanoseconds / 1000);
    const theirs = await program(rig.folder, 'tpm-microsoft');
    const microsoft = await start(nodeInUse(), [theirs, tcti.slice('swtpm:path='.length), files[2]]);

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
      const signC = await c(`sign ${signs}`);
      const sign = await ours(`sign ${signs}`);
      const [overlapped] = await ours(`together ${OVERLAPPED}`);
      const signMicrosoft = await microsoft(`sign ${signs / 4}`);
      const activateC = await c(`activate ${activations}`);
      const activate = await ours(`activate ${activations}`);
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
      const signing = await ours(`late sign ${signs * 2}`);
      const activating = await ours(`late activate ${activations * 2}`);
      late.busy.push(Math.max(percentile(signing, 99), percentile(activating, 99)));
      late.idle.push(percentile(await ours(`late idle ${quick ? 500 : 2000}`), 99));
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
