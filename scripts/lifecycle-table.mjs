// Draws the table of every state × input into docs/reference/lifecycle.md by asking the state machine itself.
// `--check` compares instead of writing.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const page = join(root, 'docs/reference/lifecycle.md');
const [begin, end] = ['<!-- table: begin -->', '<!-- table: end -->'];

function loadMachine() {
  const folder = mkdtempSync(join(tmpdir(), 'tpe-table-'));
  try {
    const outfile = join(folder, 'fsm.cjs');
    const entry = join(root, 'src/agent/connection/fsm.ts');
    buildSync({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'cjs' });
    return createRequire(import.meta.url)(outfile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { step, INITIAL, TIMES } = loadMachine();
const nowMs = 100 * TIMES.fallbackMs;
const longAgo = nowMs - 2 * TIMES.fallbackMs;

const states = [
  'unconfigured',
  'waitingForTime',
  'registering',
  'connecting',
  'connected',
  'backingOff',
  'failed',
];
const inputs = [
  ['settings: off', { type: 'configured', enabled: false, assigned: false, boot: false }],
  ['settings: on', { type: 'configured', enabled: true, assigned: false, boot: false }],
  ['settings: on, assigned', { type: 'configured', enabled: true, assigned: true, boot: false }],
  ['boot', { type: 'configured', enabled: true, assigned: false, boot: true }],
  ['boot, assigned', { type: 'configured', enabled: true, assigned: true, boot: true }],
  ['timer', { type: 'timer' }],
  ['registered', { type: 'registered' }],
  ['registration failed, retryable', { type: 'registrationFailed', retryable: true, retryAfterMs: 5000 }],
  ['registration failed for good', { type: 'registrationFailed', retryable: false }],
  ['hub key not loadable', { type: 'keyLost' }],
  ['TPM failed', { type: 'tpmFailed' }],
  ['connected', { type: 'connected' }],
  ['refused (CONNACK 4, 5)', { type: 'refused' }],
  ['unreachable', { type: 'unreachable' }],
  ['connection lost', { type: 'dropped' }],
  ['operator: retry', { type: 'retry' }],
  ['operator: reprovision', { type: 'reprovision' }],
];

function* combinations(choices) {
  const [first, ...rest] = Object.entries(choices);
  if (first === undefined) yield {};
  else
    for (const value of first[1])
      for (const others of combinations(Object.fromEntries(rest))) yield { [first[0]]: value, ...others };
}

/** Contexts that can occur in a state. */
function contexts(name) {
  const hubStates = ['connecting', 'connected'];
  return combinations({
    enabled: [name !== 'unconfigured'],
    assigned: hubStates.includes(name) ? [true] : [true, false],
    askDps: hubStates.includes(name) ? ['no'] : ['no', 'wish', 'fallback'],
    attempt: [0, 3],
    refusals: [0, TIMES.freshTokens],
    keyLosses: [0, 1],
    unreachableSince: [undefined, longAgo],
    lastFallbackAt: [undefined, nowMs - 1],
    connectedAt: name === 'connected' ? [longAgo] : [undefined],
  });
}

function outcomes(name, input) {
  const found = new Map();
  for (const context of contexts(name)) {
    for (const policy of ['dynamic', 'alwaysOnStartup', 'onErrorOnly']) {
      for (const timePlausible of [true, false]) {
        const machine = { name, context: { ...INITIAL.context, ...context } };
        const result = step(machine, input, { nowMs, random: 0.5, timePlausible, policy });
        const effects = result.effects.map(({ type }) => type).filter((type) => type !== 'wait');
        const text = result.machine.name + (effects.length === 0 ? '' : ` (${effects.join(', ')})`);
        if (result.effects.length > 0 || result.machine !== machine) found.set(text, true);
      }
    }
  }
  return found.size === 0 ? '·' : [...found.keys()].sort().join('<br>');
}

function table() {
  const lines = [`| input | ${states.join(' | ')} |`, `|---|${states.map(() => '---|').join('')}`];
  for (const [title, input] of inputs) {
    lines.push(`| **${title}** | ${states.map((name) => outcomes(name, input)).join(' | ')} |`);
  }
  return lines.join('\n');
}

const text = readFileSync(page, 'utf8');
const [before, rest] = text.split(begin);
const after = rest?.split(end)[1];
if (after === undefined) throw new Error(`${page} has no place for the table`);
const drawn = `${before}${begin}\n\n${table()}\n\n${end}${after}`;
if (!process.argv.includes('--check')) writeFileSync(page, drawn);
else if (drawn !== text) {
  console.error(
    'docs/reference/lifecycle.md is not what the state machine does; run: node scripts/lifecycle-table.mjs',
  );
  process.exit(1);
}
