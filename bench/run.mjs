// Runs the benches: `npm run bench [-- GROUP …] [--quick] [--json FILE] [--plots FOLDER] [--check]`.
// Every figure is taken beside its peer in the same run, so the ratio is what counts. `--check` runs the groups of
// bench/baseline.json in their short form, compares the ratios with it and fails beyond its tolerance.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { plot } from './lib/plot.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const available = readdirSync(join(here, 'groups'))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => basename(file, '.mjs'));

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    plots: { type: 'string' },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => !available.includes(name));
if (options.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`there is no group ${unknown.join(', ')}`);
  console.error(
    `usage: npm run bench -- [${available.join('|')} …] [--quick] [--json FILE] [--plots FOLDER] [--check]`,
  );
  process.exit(unknown.length > 0 ? 2 : 0);
}

const round = (value) =>
  value === null || value === undefined ? '–' : Number(value.toPrecision(3)).toString();

function table(results) {
  const rows = [
    ['figure', 'value', 'unit', 'peer', 'ratio', 'bar', ''],
    ...Object.entries(results).map(([name, { value, unit, peer, ratio, bar }]) => [
      name,
      round(value),
      unit,
      round(peer),
      round(ratio),
      bar === undefined ? '' : `≤ ${round(bar)}`,
      bar === undefined ? '' : ratio <= bar ? 'holds' : 'MISSES',
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => String(cell).padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const baseline = options.check ? JSON.parse(readFileSync(join(here, 'baseline.json'), 'utf8')) : undefined;
const quick = options.quick || baseline !== undefined;

const results = {};
for (const group of positionals.length > 0 ? positionals : (baseline?.groups ?? available)) {
  console.error(`bench: ${group}`);
  const { run } = await import(pathToFileURL(join(here, 'groups', `${group}.mjs`)).href);
  const figures = await run({ quick });
  Object.assign(results, figures);
  if (options.plots !== undefined) {
    mkdirSync(options.plots, { recursive: true });
    writeFileSync(join(options.plots, `${group}.svg`), plot(group, figures));
  }
}

console.log(
  `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
);
console.log(table(results));
if (options.json !== undefined) writeFileSync(resolve(options.json), `${JSON.stringify(results, null, 2)}\n`);

if (baseline !== undefined) {
  const { tolerance, ratios } = baseline;
  const measured = Object.entries(ratios).filter(([name]) => results[name] !== undefined);
  // A comparison of nothing with nothing would always hold.
  if (measured.length === 0) throw new Error('none of the groups that ran is in bench/baseline.json');
  const worse = measured.filter(([name, ratio]) => !(results[name].ratio <= ratio * tolerance));
  for (const [name, ratio] of worse) {
    console.error(
      `${name}: ratio ${round(results[name].ratio)}, baseline ${ratio}, tolerance × ${tolerance}`,
    );
  }
  console.log(`baseline: ${measured.length - worse.length} of ${measured.length} ratios hold`);
  process.exitCode = worse.length > 0 ? 1 : 0;
}
