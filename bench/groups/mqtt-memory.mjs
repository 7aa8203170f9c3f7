// What a client of the hub needs that is nothing but the mqtt package, beside a bare `node` that holds a timer: how far
// below the agent's figure (group memory) one could get. Each process runs its own copy of the binary, as there.
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare } from '../lib/figure.mjs';
import { program } from '../lib/peer.mjs';
import { Rig, nodeOfMajor, pssMiB } from '../lib/rig.mjs';

const SETTLE_MS = 60_000;

export async function run({ quick }) {
  const rig = new Rig();
  try {
    const cloud = await rig.emulator();
    const maker = await program(rig.folder, 'new-device');
    const client = await program(rig.folder, 'mqtt-client', { asBuilt: true });
    const node = (name) => {
      const copy = join(rig.folder, name);
      copyFileSync(nodeOfMajor(22), copy);
      return copy;
    };
    const samples = { direct: [], bare: [] };
    for (let round = 0; round < (quick ? 1 : 3); round += 1) {
      const made = [maker, JSON.stringify(cloud), `direct-${round}`];
      const target = execFileSync(process.execPath, made, { encoding: 'utf8' });
      // With the setting of systemd/tpe-agent.service.
      const direct = rig.spawn(node('node-direct'), [client, target], { MALLOC_ARENA_MAX: '1' });
      const bare = rig.spawn(node('node-bare'), [
        '-e',
        'console.log("up"); setInterval(() => undefined, 1000)',
      ]);
      await Promise.all([direct, bare].map((child) => rig.line(child, () => true)));
      await new Promise((done) => setTimeout(done, quick ? SETTLE_MS / 4 : SETTLE_MS));
      samples.direct.push(pssMiB(direct.pid));
      samples.bare.push(pssMiB(bare.pid));
      await Promise.all([direct, bare].map((child) => rig.end(child)));
    }
    return { 'mqtt-memory.direct': compare(samples.direct, samples.bare, { unit: 'MiB PSS' }) };
  } finally {
    await rig.close();
  }
}
