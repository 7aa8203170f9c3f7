// A whole registration on a TPM with EK and SRK in place, from the first look at the EK until the hub's CONNACK, against an
// emulator that lets nobody wait: the agent's own parts beside a C program that makes the same ESYS calls and the same
// round trips, and beside Microsoft's packages. One process each, all on one swtpm, in turn.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compare, report } from '../lib/figure.mjs';
import { command, compile, program, startPeer } from '../lib/peer.mjs';
import { Rig, nodeInUse } from '../lib/rig.mjs';

const BAR = 1.3;
const LIBRARIES = ['tss2-esys', 'tss2-mu', 'tss2-tctildr', 'openssl'];

export async function run({ quick }) {
  const rig = new Rig();
  const closing = [];
  const start = async (...args) => {
    const peer = await startPeer(...args);
    closing.push(() => peer.close());
    return peer;
  };
  try {
    const tcti = await rig.swtpm();
    const cloud = await rig.emulator();
    const line = JSON.stringify(cloud);
    const [dpsPort, hubPort] = [cloud.dps, cloud.hub].map((url) => url.slice(url.lastIndexOf(':') + 1));
    const enrolling = [await program(rig.folder, 'enroll'), tcti, line, 'ours', 'least', 'microsoft'];
    const enrolled = spawnSync(nodeInUse(), enrolling, { encoding: 'utf8' });
    if (enrolled.status !== 0) throw new Error(enrolled.stderr);

    const state = join(rig.folder, 'state');
    mkdirSync(state, { mode: 0o700 });
    const own = await program(rig.folder, 'registration-ours');
    const ours = await start(nodeInUse(), [own, state, tcti, 'ours', line]);
    const sources = ['registration_peer.c', 'esys_calls.c', 'tls_client.c'];
    const least = compile(rig.folder, 'registration_peer', sources, LIBRARIES);
    const c = await start(...command(least, [tcti, cloud.ca, dpsPort, hubPort, cloud.idScope, 'least']));
    const theirs = await program(rig.folder, 'registration-microsoft');
    const socket = tcti.slice('swtpm:path='.length);
    const microsoft = await start(nodeInUse(), [theirs, socket, 'microsoft', line]);

    const samples = { first: [], ours: [], c: [], esys: [], microsoft: [] };
    for (let round = 0; round <= (quick ? 5 : 30); round += 1) {
      const taken = Number(await ours.ask());
      const [whole, inTpm] = JSON.parse(await c.ask()).map((nanoseconds) => nanoseconds / 1e6);
      const other = Number(await microsoft.ask());
      // The first one loads and compiles.
      if (round === 0) {
        samples.first.push(taken);
        continue;
      }
      samples.ours.push(taken);
      samples.c.push(whole);
      samples.esys.push(inTpm);
      samples.microsoft.push(other);
    }
    return {
      'registration.vsC': compare(samples.ours, samples.c, { unit: 'ms', bar: BAR }),
      'registration.vsMicrosoft': compare(samples.ours, samples.microsoft, { unit: 'ms' }),
      'registration.firstInProcess': report(samples.first, 'ms'),
      'registration.esysShareOfC': report(samples.esys, 'ms'),
    };
  } finally {
    for (const close of closing.reverse()) await close();
    await rig.close();
  }
}
