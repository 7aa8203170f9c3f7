// Writes docs/reference/errors.md from the error registry.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(join(tmpdir(), 'tpe-errors-'));
try {
  const outfile = join(folder, 'registry.cjs');
  await build({
    entryPoints: [join(root, 'src/common/errors/registry.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
  });
  const { errorAreas } = createRequire(import.meta.url)(outfile);
  const lines = [
    '# Errors',
    '',
    'Every error of every program, generated from the registry by `node scripts/errors-doc.mjs`. Places in braces are',
    'filled in when it happens. "Retryable" means that the same call may succeed later without anybody changing',
    'anything; the status is the HTTP status where the error can reach a REST client.',
  ];
  for (const [area, table] of Object.entries(errorAreas)) {
    if (Object.keys(table).length === 0) continue;
    lines.push('', `## ${area}`);
    for (const [code, { message, advice, status, retryable }] of Object.entries(table)) {
      const facts = [...(status ? [`HTTP ${status}`] : []), retryable ? 'retryable' : 'not retryable'].join(
        ', ',
      );
      lines.push('', `### \`${code}\``, '', message, '', `What to do: ${advice}`, '', `_${facts}_`);
    }
  }
  writeFileSync(join(root, 'docs/reference/errors.md'), `${lines.join('\n')}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
