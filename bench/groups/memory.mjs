// PSS of the idle, connected agent beside a bare `node` that holds a timer, and what CPU it uses then. Each process runs
// its own copy of the node binary, so that nothing is shared and PSS is what the process costs.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { against, compare } from '../lib/figure.mjs';
import { Rig, cpuMs, nodeOfMajor, provision, pssMiB } from '../lib/rig.mjs';

const SETTLE_MS = 60_000;
/** The second start of a build keeps its bytecode 20 seconds after it was ready. */
const BYTECODE_MS = 22_000;

function copyOf(rig, node, name) {
  const copy = join(rig.folder, name);
  copyFileSync(node, copy);
  return copy;
}

/** Voluntary and involuntary context switches of all threads: how often the process was woken (proc(5), status). */
function switches(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return [...text.matchAll(/ctxt_switches:\s+(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

export async function run({ quick }) {
  const rig = new Rig();
  try {
    const node = nodeOfMajor(22);
    const cloud = await rig.emulator();
    // With the setting of systemd/tpe-agent.service.
    const env = { NODE_COMPILE_CACHE: join(rig.folder, 'compile-cache'), MALLOC_ARENA_MAX: '1' };
    const config = rig.agentConfig({ tcti: await rig.swtpm(), cloud });
    const first = await rig.agent({ config, node, env });
    await provision(rig, first, cloud);
    await rig.end(first.child);
    const second = await rig.agent({ config, node, env });
    await new Promise((done) => setTimeout(done, BYTECODE_MS));
    await rig.end(second.child);
    // As after any later boot: connected from the cached assignment, without what only a registration loads.
    const agent = await rig.agent({ config, node: copyOf(rig, node, 'node-agent'), env });
    const bare = rig.spawn(copyOf(rig, node, 'node-bare'), [
      '-e',
      'console.log("up"); setInterval(() => undefined, 1000)',
    ]);
    await rig.line(bare, () => true);
    const settle = quick ? SETTLE_MS / 2 : SETTLE_MS;
    await new Promise((done) => setTimeout(done, settle));
    const [cpuBefore, wakeBefore, at] = [cpuMs(agent.pid), switches(agent.pid), performance.now()];
    await new Promise((done) => setTimeout(done, settle));
    const seconds = (performance.now() - at) / 1000;
    const value = pssMiB(agent.pid);
    const peer = pssMiB(bare.pid);
    const cpu = (cpuMs(agent.pid) - cpuBefore) / (seconds * 10);
    const wakes = (switches(agent.pid) - wakeBefore) / seconds;
    return {
      'memory.idleConnected': compare([value], [peer], { unit: 'MiB PSS', bar: 2 }),
      'idle.cpu': against(0.2, [cpu], '% of a core'),
      'idle.wakeups': against(2, [wakes], '1/s (main thread)'),
    };
  } finally {
    await rig.close();
  }
}
