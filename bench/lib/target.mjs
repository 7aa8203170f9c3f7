// What the measured programs run on: this machine, or another architecture under QEMU's user-mode emulation, as
// bench/emulated.sh prepared it. swtpm, the emulator and the bench itself stay native.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const NATIVE = { majors: [22, 20], run: [], compiler: [process.env.CC ?? 'cc'], environment: {} };
const { TPE_BENCH_TARGET: file } = process.env;

/**
 * `majors`: of the Node.js versions that are there; `run`: what stands before a compiled program; `environment`: for
 * pkg-config; `folder`, `addons` and `name` only where it is emulated.
 */
export const target = file === undefined ? NATIVE : JSON.parse(readFileSync(file, 'utf8'));

/** The emulated Node.js; `undefined` on this machine. */
export function emulatedNode(major) {
  if (target.folder === undefined) return undefined;
  if (!target.majors.includes(major)) throw new Error(`there is no Node.js ${major} for ${target.name}`);
  return join(target.folder, `node${major}`);
}
