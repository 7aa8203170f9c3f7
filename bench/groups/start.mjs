// CPU time from start to ready (HTTPS and discovery listen, the TPM has answered), beside `node -e 0` and beside the same
// agent unbundled and eager. Interleaved; medians.
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { compare } from '../lib/figure.mjs';
import { Rig, cpuMs, nodeOfMajor, root } from '../lib/rig.mjs';
import { target } from '../lib/target.mjs';

/** The sources transpiled file by file, dependencies from node_modules: how such a daemon usually runs. */
async function unbundled() {
  const folder = join(root, '.cache/unbundled');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const sources = readdirSync(join(root, 'src'), { recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(root, 'src', file));
  await build({
    entryPoints: sources,
    outdir: join(folder, 'src'),
    outbase: join(root, 'src'),
    format: 'cjs',
    platform: 'node',
    logLevel: 'error',
  });
  symlinkSync(join(root, 'dist'), join(folder, 'dist'));
  return join(folder, 'src/agent/main.js');
}

const eager = [
  'azure-iot-device',
  'azure-iot-device-mqtt',
  'azure-iot-provisioning-device',
  'reflect-metadata',
  '@peculiar/x509',
];

async function bareNode(rig, node) {
  const child = rig.spawn(node, ['-e', 'console.log("up"); setInterval(() => undefined, 1000)']);
  const cpu = await rig.line(child, () => cpuMs(child.pid));
  await rig.end(child);
  return cpu;
}

export async function run({ quick }) {
  const rig = new Rig();
  try {
    const program = await unbundled();
    const figures = {};
    for (const major of target.majors) {
      const node = nodeOfMajor(major);
      const config = rig.agentConfig({ tcti: await rig.swtpm() });
      const env = { NODE_COMPILE_CACHE: join(rig.folder, `compile-cache-${major}`) };
      const ours = [];
      const bare = [];
      const plain = [];
      // The first start makes key and certificate, the second keeps its bytecode; they are not counted.
      for (let round = -1; round <= (quick ? 3 : 9); round += 1) {
        const agent = await rig.agent({ config, node, env });
        await rig.end(agent.child);
        const idle = await bareNode(rig, node);
        const nodeArgs = eager.flatMap((name) => ['-r', join(root, 'node_modules', name)]);
        const other = await rig.agent({ config, node, program, nodeArgs });
        await rig.end(other.child);
        if (round <= 0) continue;
        ours.push(agent.cpu);
        bare.push(idle);
        plain.push(other.cpu);
      }
      const name = `start.node${major}`;
      const bar = (most) => ({ unit: 'ms CPU', ...(major === 22 ? { bar: most } : {}) });
      figures[`${name}.vsBareNode`] = compare(ours, bare, bar(4));
      figures[`${name}.vsUnbundled`] = compare(ours, plain, bar(0.5));
    }
    return figures;
  } finally {
    await rig.close();
  }
}
