// Runs the named jest suites: `node scripts/test.mjs unit e2e [jest options]`.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const known = ['unit', 'integration', 'interop', 'e2e', 'crash', 'fuzz'];
const suites = process.argv.slice(2).filter((arg) => known.includes(arg));
const rest = process.argv.slice(2).filter((arg) => !known.includes(arg) && arg !== '--');
const options = rest.filter((arg) => arg.startsWith('-'));
const patterns = rest.filter((arg) => !arg.startsWith('-'));
if (suites.length === 0) {
  console.error(`usage: node scripts/test.mjs ${known.join('|')} [jest options]`);
  process.exit(2);
}
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const run = spawnSync(
  process.execPath,
  [jest, ...options, '--selectProjects', ...suites, '--', ...patterns],
  {
    stdio: 'inherit',
  },
);
process.exit(run.status ?? 1);
