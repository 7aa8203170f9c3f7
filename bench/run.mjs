// Runs the benches. Every figure is taken beside its peer in the same run, so the ratio is what counts.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { compareWithBaseline } from './lib/check.mjs';
import { load, machine, revision, versions } from './lib/machine.mjs';
import { plot } from './lib/plot.mjs';
import { readResults, writeResults } from './lib/results.mjs';
import { table } from './lib/table.mjs';
import { target } from './lib/target.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const available = readdirSync(join(here, 'groups'))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => basename(file, '.mjs'));

/** What makes sense where every instruction is emulated. */
const EMULATED = ['size', 'start', 'tpm', 'registration'];

const USAGE = `usage: npm run bench -- [GROUP …] [--quick] [--json FILE] [--plots FOLDER] [--write] [--from FILE …]
                           [--arch ARCH] [--check]

  GROUP           ${available.join(', ')}; all of them unless named
  --quick         fewer and shorter rounds
  --json FILE     keep the results: {"name": {"value", "unit", "peer", "ratio", …}}
  --plots FOLDER  where the SVG of each group goes; bench/out unless said otherwise
  --write         put the results into docs/reference/benchmarks.md and bench/results.json
  --from FILE     take the results of an earlier --json instead of running; may be given several times
  --arch ARCH     measure on arm64 or armhf under user-mode emulation; ${EMULATED.join(', ')} unless named
  --check         run the groups of bench/baseline.json in their short form and fail when a ratio is worse than there
`;

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
        plots: { type: 'string', default: join(here, 'out') },
        write: { type: 'boolean', default: false },
        from: { type: 'string', multiple: true, default: [] },
        arch: { type: 'string' },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return refuse(error.message);
  }
}

function refuse(why) {
  process.stderr.write(`bench: ${why}\n\n${USAGE}`);
  process.exit(2);
}

const { values: options, positionals } = parse();
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const unknown = positionals.filter((name) => !available.includes(name));
if (unknown.length > 0) refuse(`there is no group ${unknown.join(', ')}`);
if (options.write && options.quick) refuse('the page is made of whole runs: leave --quick or --write out');

if (options.write && options.arch !== undefined)
  refuse('the page is of this machine: leave --arch or --write out');
if (options.arch !== undefined && process.env.TPE_BENCH_TARGET === undefined) {
  const inherit = { stdio: 'inherit' };
  const { status } = spawnSync('bash', [join(here, 'emulated.sh'), options.arch], inherit);
  if (status !== 0) process.exit(status ?? 1);
  const file = join(here, '../.cache/emulated', options.arch, 'target.json');
  // Once more, because what this has loaded already knows what it measures on.
  const env = { ...process.env, TPE_BENCH_TARGET: file };
  process.exit(spawnSync(process.execPath, process.argv.slice(1), { ...inherit, env }).status ?? 1);
}
const baseline = options.check ? JSON.parse(readFileSync(join(here, 'baseline.json'), 'utf8')) : undefined;
const quick = options.quick || baseline !== undefined;
mkdirSync(options.plots, { recursive: true });

/** Figures of one group with where and when they were taken. */
async function runGroup(group) {
  console.error(`bench: ${group}`);
  const { run } = await import(pathToFileURL(join(here, 'groups', `${group}.mjs`)).href);
  const before = load();
  const plots = [group];
  const draw = (name, svg) => {
    plots.push(name);
    writeFileSync(join(options.plots, `${name}.svg`), svg);
  };
  const figures = await run({ quick, draw });
  // A bar is for a machine; emulation has its own cost for each system call and each other thread.
  if (target.name !== undefined) for (const figure of Object.values(figures)) delete figure.bar;
  const circumstances = {
    group,
    quick,
    at: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    load: Math.max(before, load()),
    revision: revision(),
    machine: machine(),
    versions: versions(),
    plots,
  };
  return Object.fromEntries(
    Object.entries(figures).map(([name, figure]) => [name, { ...figure, ...circumstances }]),
  );
}

const results = {};
for (const file of options.from) Object.assign(results, readResults(file));
const wanted =
  positionals.length > 0
    ? positionals
    : (baseline?.groups ?? (options.arch === undefined ? available : EMULATED));
const failed = [];
for (const group of options.from.length > 0 ? [] : wanted) {
  try {
    Object.assign(results, await runGroup(group));
  } catch (error) {
    // Told with the others at the end: hours of other groups must not go with it.
    failed.push(group);
    console.error(error);
  }
  // Kept as it goes, for the same reason.
  if (options.json !== undefined) {
    writeFileSync(resolve(options.json), `${JSON.stringify(results, null, 2)}\n`);
  }
}

for (const group of new Set(Object.values(results).map((figure) => figure.group))) {
  const figures = Object.entries(results).filter(([, figure]) => figure.group === group);
  writeFileSync(join(options.plots, `${group}.svg`), plot(group, Object.fromEntries(figures)));
}
const node = Object.entries(versions()).map(([what, version]) => `${what} ${version}`);
console.log(`${machine()}\n${node.join(', ')}; load ${load()}\n`);
console.log(table(results));
if (options.write) console.log(`written: ${writeResults(results, options.plots)}`);
if (failed.length > 0) {
  console.error(`bench: failed: ${failed.join(', ')}`);
  process.exitCode = 1;
} else if (baseline !== undefined) process.exitCode = compareWithBaseline(results, baseline) ? 0 : 1;
