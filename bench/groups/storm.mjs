// 300 gateways that get their power back in the same second and have to register, against one emulator with the limit
// of DPS; the load they make is drawn.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { against, report } from '../lib/figure.mjs';
import { root } from '../lib/rig.mjs';

export function run({ quick, draw }) {
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
    draw('storm-load', svg);
    return {
      'storm.busiestMinute': against(limit, [busiestMinute], 'registrations'),
      'storm.lastAssigned': report([lastAssignedSec], 's'),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
