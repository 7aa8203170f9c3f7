// Writes docs/man/tpe-provision.1 from the command line of tpe-provision.
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
  const contents = `
    export { buildProgram } from './src/provision/cli/program';
    export { manualPage } from './src/provision/cli/manual';`;
  await build({
    stdin: { contents, resolveDir: root },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
  });
  const { buildProgram, manualPage } = createRequire(import.meta.url)(outfile);
  const nowhere = { write: () => true };
  const program = buildProgram({
    out: nowhere,
    err: nowhere,
    signal: new AbortController().signal,
    exit() {},
  });
  writeFileSync(join(root, 'docs/man/tpe-provision.1'), manualPage(program));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
