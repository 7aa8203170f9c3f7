// 300 gateways that get their power back in the same second and have to register, against one emulator with the limit
// of DPS; the load they make is drawn into bench/out/storm-load.svg.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { root } from '../lib/rig.mjs';

export function run({ quick }) {
  const folder = mkdtempSync(join(tmpdir(), 'tpe-storm-'));
  try {
    const program = join(folder, 'storm.cjs');
    buildSync({
      entryPoints: [join(root, 'test/support/storm-main.ts')],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      logLevel: 'error',
    });
    const child = spawnSync(process.execPath, [program, quick ? '60' : '300', folder], { encoding: 'utf8' });
    if (child.status !== 0) throw new Error(`the storm failed: ${child.stderr}`);
    const { limit, busiestMinute, lastAssignedSec, svg } = JSON.parse(child.stdout);
    mkdirSync(join(root, 'bench/out'), { recursive: true });
    writeFileSync(join(root, 'bench/out/storm-load.svg'), svg);
    return {
      'storm.busiestMinute': {
        value: busiestMinute,
        unit: 'registrations',
        peer: limit,
        ratio: busiestMinute / limit,
        bar: 1,
      },
      'storm.lastAssigned': { value: lastAssignedSec, unit: 's', peer: null, ratio: null },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
