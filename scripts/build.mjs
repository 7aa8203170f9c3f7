// Builds the addon and one CommonJS file for each program into dist/.
// A part is built again only when a file that it is made of has changed (by content, so that a fresh checkout or a
// touched file costs nothing). `--force` builds everything.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { lazyDependencies } from './lazy-dependencies.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const force = process.argv.includes('--force');

/** Entry point of each program. The agent has two files: what is started, and what that runs with kept bytecode. */
const programs = {
  'tpe-agentctl': 'src/agentctl/main.ts',
  'tpe-provision': 'src/provision/main.ts',
  'tpe-cloud-emulator': 'src/emulator/main.ts',
};

/** tpe_tpm needs tpm2-tss; tpe_system (sd_notify, locks) loads without it. */
const addons = ['tpe_tpm.node', 'tpe_system.node'];

function* filesUnder(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else yield path;
  }
}

function fingerprint(...paths) {
  const hash = createHash('sha256');
  for (const path of paths.flatMap((p) =>
    p.endsWith('/') ? [...filesUnder(join(root, p))].sort() : [join(root, p)],
  )) {
    hash.update(path.slice(root.length)).update('\0').update(readFileSync(path)).update('\0');
  }
  return hash.digest('hex');
}

/** Runs `make` unless the stamp says that the same inputs were built already and the outputs are there. */
async function once(name, inputs, outputs, make) {
  const stamp = join(dist, `.${name}.stamp`);
  const now = fingerprint(...inputs);
  const built =
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === now &&
    outputs.every((o) => existsSync(join(dist, o)));
  if (built && !force) return;
  await make();
  writeFileSync(stamp, now);
}

function buildAddon() {
  const prefix = resolve(dirname(process.execPath), '..');
  const headers = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
  const nodeGyp = join(root, 'node_modules/node-gyp/bin/node-gyp.js');
  const run = spawnSync(process.execPath, [nodeGyp, 'rebuild', '--loglevel=warn', ...headers], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (run.status !== 0) {
    process.stderr.write(`${run.stdout}${run.stderr}`);
    throw new Error('the addon did not compile');
  }
  for (const addon of addons) copyFileSync(join(root, 'build/Release', addon), join(dist, addon));
}

/** Not the time of the build: the same sources give the same bytes (https://reproducible-builds.org/specs/source-date-epoch). */
function builtAtSec() {
  if (process.env.SOURCE_DATE_EPOCH) return Number(process.env.SOURCE_DATE_EPOCH);
  const commit = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  if (commit.status === 0 && /^\d+\s*$/.test(commit.stdout)) return Number(commit.stdout);
  return Math.floor(statSync(join(root, 'package.json')).mtimeMs / 1000);
}

const PROGRAM = { banner: { js: '#!/usr/bin/env node' } };
/** What src/agent/start runs: a function expression with the parameters of a CommonJS module. */
const RUN_BY_START = {
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
};

async function buildPrograms() {
  // An agent that runs has its bundle mapped: it keeps the removed file, but would not survive a shortened one.
  for (const name of readdirSync(dist)) if (name.endsWith('.cjs')) rmSync(join(dist, name));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const bundle = async (entryPoints, options) =>
    await build({
      absWorkingDir: root,
      entryPoints,
      outdir: 'dist',
      outExtension: { '.js': '.cjs' },
      bundle: true,
      platform: 'node',
      target: 'node20.19',
      format: 'cjs',
      charset: 'ascii',
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'none',
      // azure-iot-device loads it at the first file upload, which none of the programs has; it is a third of the agent.
      external: ['@azure/storage-blob'],
      define: { __TPE_VERSION__: JSON.stringify(version), __TPE_BUILT_AT_MS__: String(builtAtSec() * 1000) },
      plugins: [lazyDependencies],
      metafile: true,
      logLevel: 'warning',
      ...options,
    });
  const others = await bundle(programs, PROGRAM);
  const agent = await bundle({ 'tpe-agent.code': 'src/agent/main.ts' }, RUN_BY_START);
  const id = createHash('sha256')
    .update(readFileSync(join(dist, 'tpe-agent.code.cjs')))
    .digest('hex')
    .slice(0, 16);
  const start = await bundle(
    { 'tpe-agent': 'src/agent/start/main.ts' },
    { ...PROGRAM, define: { __TPE_BUNDLE__: JSON.stringify(id) } },
  );
  const made = [others, agent, start].map(({ metafile }) => metafile);
  const metafile = Object.fromEntries(
    ['inputs', 'outputs'].map((part) => [part, Object.assign({}, ...made.map((one) => one[part]))]),
  );
  writeFileSync(join(dist, 'metafile.json'), JSON.stringify(metafile));
  for (const name of ['tpe-agent', ...Object.keys(programs)]) chmodSync(join(dist, `${name}.cjs`), 0o755);
}

try {
  mkdirSync(dist, { recursive: true });
  await once('addon', ['binding.gyp', 'native/', 'package-lock.json'], addons, buildAddon);
  await once(
    'programs',
    ['package.json', 'package-lock.json', 'scripts/build.mjs', 'scripts/lazy-dependencies.mjs', 'src/'],
    ['tpe-agent', 'tpe-agent.code', ...Object.keys(programs)].map((name) => `${name}.cjs`),
    buildPrograms,
  );
} catch (error) {
  // esbuild has told its errors already; a stack trace of this script adds nothing.
  if (error.errors === undefined) console.error(error.message);
  process.exitCode = 1;
}
