// The emulator with a thousand devices that stay connected, each on a TLS connection of its own: PSS on the way there.
import { against, compare } from '../lib/figure.mjs';
import { program, startPeer } from '../lib/peer.mjs';
import { lines } from '../lib/plot.mjs';
import { Rig, cpuMs, pssMiB } from '../lib/rig.mjs';

const LIMIT_MIB = 1000;
const SETTLE_MS = 5000;

export async function run({ quick, draw }) {
  const rig = new Rig();
  const most = quick ? 200 : 1000;
  const steps = [0, 0.1, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * most));
  let peer;
  try {
    const cloud = await rig.emulator();
    peer = await startPeer(process.execPath, [
      await program(rig.folder, 'many-devices'),
      JSON.stringify(cloud),
    ]);
    const points = [];
    const idle = [];
    for (const devices of steps) {
      const connected = Number(await peer.ask(String(devices)));
      if (connected !== devices) throw new Error(`${connected} of ${devices} devices are connected`);
      await new Promise((done) => setTimeout(done, SETTLE_MS / 5));
      const before = cpuMs(cloud.pid);
      await new Promise((done) => setTimeout(done, SETTLE_MS));
      idle.push([devices, (cpuMs(cloud.pid) - before) / (SETTLE_MS / 100)]);
      points.push([devices, pssMiB(cloud.pid)]);
    }
    const kibEach = (from, to) => ((points[to][1] - points[from][1]) * 1024) / (steps[to] - steps[from]);
    draw(
      'emulator-devices',
      lines({
        title: 'The emulator with devices that stay connected',
        x: 'connected devices',
        panels: [
          { y: 'PSS, MiB', series: [{ name: 'emulator', points }] },
          { y: 'CPU while they are idle, % of a core', series: [{ name: 'emulator', points: idle }] },
        ],
      }),
    );
    return {
      'emulator.memory': against(LIMIT_MIB, [points.at(-1)[1]], 'MiB PSS'),
      // Each of the second half beside each of the first: flat means that the cost is of the device, not of their number.
      'emulator.memoryPerDevice': compare([kibEach(3, 5)], [kibEach(0, 3)], { unit: 'KiB' }),
    };
  } finally {
    await peer?.close();
    await rig.close();
  }
}
