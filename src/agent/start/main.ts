// The program that is started. It runs the agent's bundle with bytecode from the last start: parsing and compiling what a
// start needs was a quarter of its CPU time. Node's own compile cache (22.1 and later) keeps only what is compiled
// before the first line runs, and Node 20 has none. Nothing else is imported here, so that this file itself costs nothing.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { CodeCache } from './code-cache';

/** SHA-256 of the bundle, from the build. */
declare const __TPE_BUNDLE__: string;

/** By then the agent listens, has met its TPM and usually its hub: what the next start needs has been compiled. */
const SETTLED_MS = 20_000;
const BUNDLE = 'tpe-agent.code.cjs';

type Wrapped = (
  exports: unknown,
  require: NodeJS.Require,
  module: NodeJS.Module,
  filename: string,
  dirname: string,
) => void;

/** systemd's CacheDirectory=, or where Node.js would keep its own; none of them: no cache. */
function openCache(): CodeCache | undefined {
  // What only says something compiles little; kept, it would be all that later starts get.
  if (process.argv.some((argument) => argument === '--help' || argument === '--version')) return undefined;
  const folder = process.env['CACHE_DIRECTORY'] ?? process.env['NODE_COMPILE_CACHE'];
  return folder === undefined || folder === ''
    ? undefined
    : new CodeCache(folder, 'tpe-agent', __TPE_BUNDLE__);
}

/** Kept after the first start of a build, which makes keys and certificates or migrates state as no later one does: its
 * bytecode would be read at each of them for nothing. */
const FIRST_START = Buffer.alloc(0);

function keepLater(cache: CodeCache, code: () => Buffer): void {
  let kept = false;
  const keep = (): void => {
    if (kept) return;
    kept = true;
    try {
      cache.write(code());
    } catch (error) {
      process.emitWarning(`the next start will be slower: ${String(error)}`, { code: 'TPE_CODE_CACHE' });
    }
  };
  setTimeout(keep, SETTLED_MS).unref();
  process.once('exit', (code) => {
    if (code === 0) keep();
  });
}

/**
 * The bundle is ASCII, so Latin-1 is one byte a character. Mapped by the addon, its three megabytes are neither read nor
 * copied: with kept bytecode, V8 asks for the text of a few functions only.
 */
function sourceOf(path: string): string {
  try {
    const addon = createRequire(__filename)(join(__dirname, 'tpe_system.node')) as {
      mapText(path: string): string;
    };
    return addon.mapText(path);
  } catch {
    // The agent itself says what is wrong with the addon.
    return readFileSync(path, 'latin1');
  }
}

const filename = join(__dirname, BUNDLE);
const cache = openCache();
const kept = cache?.read();
const cachedData = kept !== undefined && kept.length > 0 ? kept : undefined;
const script = new Script(sourceOf(filename), {
  filename,
  ...(cachedData === undefined ? {} : { cachedData }),
});
if (cache !== undefined && script.cachedDataRejected !== false) {
  keepLater(cache, () => (kept === undefined ? FIRST_START : script.createCachedData()));
}
(script.runInThisContext() as Wrapped)(exports, require, module, filename, __dirname);
