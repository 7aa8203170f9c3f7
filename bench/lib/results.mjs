// Results of several runs: kept in bench/results.json, shown in docs/reference/benchmarks.md.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { captionOf, groups } from './captions.mjs';
import { holds, round, spreadOf } from './figure.mjs';
import { root } from './rig.mjs';

const STORE = join(root, 'bench/results.json');
const PAGE = join(root, 'docs/reference/benchmarks.md');
const PLOTS = join(root, 'docs/reference/benchmarks');

export function readResults(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

const cell = (content) => String(content).replaceAll('|', '\\|');

function row([name, figure]) {
  const verdict = { true: 'holds', false: '**misses**' }[String(holds(figure))] ?? 'reported';
  const peer = figure.peer === null ? '–' : `${figure.limit ? '≤ ' : ''}${round(figure.peer)}`;
  const cells = [
    `\`${name}\`: ${captionOf(name)}`,
    `${round(figure.value)} ${figure.unit}`,
    peer,
    round(figure.ratio),
    figure.ratio === null ? spreadOf(figure, 'value') : spreadOf(figure),
    figure.bar === undefined ? '' : round(figure.bar),
    verdict,
  ];
  return `| ${cells.map(cell).join(' | ')} |`;
}

function section(group, figures, plots) {
  const one = figures[0][1];
  const versions = Object.entries(one.versions ?? {}).map(([what, version]) => `${what} ${version}`);
  return [
    `## ${groups[group] ?? group}`,
    '',
    '| figure | ours | peer or limit | ratio | from–to | bar | |',
    '|---|---|---|---|---|---|---|',
    ...figures.map(row),
    '',
    `Taken ${one.at} at revision ${one.revision}, load ${one.load}; ${versions.join(', ')}; ${one.machine}.`,
    `Again: \`npm run bench -- ${group}\`.`,
    ...plots.flatMap((name) => ['', `![${name}](benchmarks/${name}.svg)`]),
    '',
  ].join('\n');
}

/** The page for a set of results. */
export function pageOf(results) {
  const byGroup = new Map();
  for (const entry of Object.entries(results)) {
    const { group } = entry[1];
    byGroup.set(group, [...(byGroup.get(group) ?? []), entry]);
  }
  const order = [...Object.keys(groups), ...byGroup.keys()];
  const sections = [...new Set(order)].filter((group) => byGroup.has(group));
  const all = Object.values(results);
  const missed = Object.entries(results).filter(([, figure]) => holds(figure) === false);
  const judged = all.filter((figure) => holds(figure) !== undefined);
  return [
    '# Benchmarks',
    '',
    '`npm run bench -- --write` makes this page from a run; it is not edited by hand. Every figure is taken beside its peer',
    'in the same run, in turn: **the ratio counts**, absolute values are of the machine that is named below each table.',
    'The ratio is ours ÷ peer (requests per second: peer ÷ ours), so less is better; it is the median of the rounds’ ratios, and',
    '“from–to” is the lowest and the highest round. Where there is no peer the figure stands beside a limit (≤). “Load” is how',
    'many processes wanted to run in that minute: beside more than the cores of the machine, wall-clock figures suffer.',
    'What was found on the way, and what did not help, is in [performance.md](performance.md).',
    '',
    `${judged.length - missed.length} of ${judged.length} bars hold${missed.length === 0 ? '.' : `; these do not: ${missed.map(([name]) => `\`${name}\``).join(', ')}.`}`,
    '',
    ...sections.map((group) => section(group, byGroup.get(group), byGroup.get(group)[0][1].plots)),
    REPEAT,
  ].join('\n');
}

const REPEAT = `## How to repeat

- \`npm run bench\` runs everything and starts what it needs (swtpm, the emulator, other Node.js versions from npm);
  \`npm run bench -- start tpm\` runs two groups, \`--quick\` fewer and shorter rounds, \`--json FILE\` keeps the results,
  \`--plots FOLDER\` the plots. A quiet machine gives narrow spreads; under load the ratios stay, their spread grows.
- \`npm run bench -- --write\` puts the results into this page; groups that did not run keep what they had.
  \`--from FILE\` (several times) takes results of earlier runs instead of running.
- \`npm run bench -- --arch arm64 --quick\` (or \`armhf\`) measures size, start, TPM and registration with Node.js and addons of
  that architecture under QEMU's user-mode emulation, to catch what only breaks there; bars do not apply.
- \`npm run bench -- --check\` compares the ratios of the groups in \`bench/baseline.json\` with their baseline and fails
  when one is worse than its tolerance. \`.ci/run\` does it.
`;

/** Merges results into the kept ones, writes the page and copies the plots that the runs left in `drawn`. */
export function writeResults(results, drawn) {
  const kept = existsSync(STORE) ? readResults(STORE) : {};
  const fresh = new Set(Object.values(results).map(({ group }) => group));
  // A figure that its group no longer has goes with the old ones.
  const old = Object.entries(kept).filter(([, { group }]) => !fresh.has(group));
  const merged = { ...Object.fromEntries(old), ...results };
  writeFileSync(STORE, `${JSON.stringify(merged, null, 2)}\n`);
  mkdirSync(PLOTS, { recursive: true });
  const plots = new Set(Object.values(results).flatMap((figure) => figure.plots));
  for (const name of plots) copyFileSync(join(drawn, `${name}.svg`), join(PLOTS, `${name}.svg`));
  writeFileSync(PAGE, pageOf(merged));
  return PAGE;
}
