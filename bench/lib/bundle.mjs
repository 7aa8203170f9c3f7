// Lets a bench use TypeScript of the tree: bundled into a folder that has the addons beside it, as the products have.
import { existsSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { lazyDependencies } from '../../scripts/lazy-dependencies.mjs';
import { root } from './rig.mjs';
import { target } from './target.mjs';

const ADDONS = ['tpe_tpm.node', 'tpe_system.node'];

function linkOnce(target, path) {
  if (!existsSync(path)) symlinkSync(target, path);
}

/**
 * @param {string} folder where the bundle goes
 * @param {string} contents TypeScript; imports are relative to the root of the tree
 * @param {{name?: string, asBuilt?: boolean}} options `asBuilt`: as the products are, small and lazy
 * @returns {Promise<string>} the file
 */
export async function bundle(folder, contents, { name = 'bundle.cjs', asBuilt = false } = {}) {
  const outfile = join(folder, name);
  for (const addon of ADDONS) linkOnce(join(target.addons ?? join(root, 'dist'), addon), join(folder, addon));
  await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
    // tss.js asks for it on Windows only.
    external: ['ffi-napi', 'ref-napi', 'ref-struct-di', '@azure/storage-blob'],
    ...(asBuilt ? { minifySyntax: true, minifyWhitespace: true, plugins: [lazyDependencies] } : {}),
  });
  return outfile;
}

/** Exports of such a bundle, in this process. */
export async function load(folder, contents) {
  return createRequire(import.meta.url)(await bundle(folder, contents));
}
