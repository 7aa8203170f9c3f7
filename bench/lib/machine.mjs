// Where and when a figure was taken: a figure without that is a rumour.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from './rig.mjs';
import { target } from './target.mjs';

/** Where rig.mjs keeps the one that start, memory, soak and load run on. */
const NODE_22 = join(root, `.cache/node22/node_modules/node-linux-${process.arch}/bin/node`);

function said(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: root });
  return status === 0 ? `${stdout}${stderr}`.trim() : undefined;
}

export function machine() {
  const { model } = cpus()[0] ?? {};
  const cores = cpus().length;
  const memory = Math.round(totalmem() / 2 ** 30);
  const emulated = target.name === undefined ? '' : `${target.name}, on `;
  return `${emulated}${model ?? process.arch}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${memory} GiB, Linux ${release()}`;
}

export function versions() {
  const tss = said('pkg-config', ['--modversion', 'tss2-esys']);
  const swtpm = /version ([\d.]+)/.exec(said('swtpm', ['--version']) ?? '')?.[1];
  return {
    node: process.version,
    ...(existsSync(NODE_22) ? { 'node 22': said(NODE_22, ['--version']) } : {}),
    openssl: process.versions.openssl,
    ...(tss === undefined ? {} : { 'tpm2-tss': tss }),
    ...(swtpm === undefined ? {} : { swtpm }),
  };
}

/** The commit that was measured; `+` when the tree had changes beside it. */
export function revision() {
  const commit = said('git', ['rev-parse', '--short', 'HEAD']);
  if (commit === undefined) return 'unknown';
  return said('git', ['status', '--porcelain', '--untracked-files=no']) === '' ? commit : `${commit}+`;
}

/** Processes that wanted to run, on average over the last minute (proc(5), loadavg). */
export function load() {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}
