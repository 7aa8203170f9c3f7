// Writes the pages in docs/man that are made from the command lines themselves.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(join(tmpdir(), 'tpe-manual-'));
try {
  const outfile = join(folder, 'manual.cjs');
  const contents = `export { manualPages } from './test/support/manual-pages';`;
  await build({
    stdin: { contents, resolveDir: root },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
  });
  const { manualPages } = createRequire(import.meta.url)(outfile);
  for (const [name, text] of Object.entries(manualPages())) writeFileSync(join(root, 'docs/man', name), text);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
