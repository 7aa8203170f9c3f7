import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

test('the table in docs/reference/lifecycle.md is what the state machine does', () => {
  const script = resolve(__dirname, '../../../scripts/lifecycle-table.mjs');
  expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
});
