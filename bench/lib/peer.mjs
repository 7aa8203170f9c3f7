// Programs that the benches run beside ours: C from bench/native, TypeScript from bench/programs. They answer each line
// of their input with one line, so that both sides can be asked in turn.
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle } from './bundle.mjs';
import { root } from './rig.mjs';
import { target } from './target.mjs';

/** Compiles C of bench/native. @returns the program */
export function compile(folder, name, sources, libraries = []) {
  const program = join(folder, name);
  const [compiler, ...more] = target.compiler;
  const env = { ...process.env, ...target.environment };
  const flags =
    libraries.length === 0
      ? []
      : execFileSync('pkg-config', ['--cflags', '--libs', ...libraries], { encoding: 'utf8', env })
          .trim()
          .split(/\s+/);
  const files = sources.map((source) => join(root, 'bench/native', source));
  const args = ['-O2', '-Wall', '-Wextra', '-o', program, ...files, ...flags];
  execFileSync(compiler, [...args, ...more]);
  return program;
}

/** Command and arguments that run a compiled program where the bench measures. */
export function command(file, args) {
  const [first, ...rest] = [...target.run, file];
  return [first, [...rest, ...args]];
}

/** Bundles a program of bench/programs; the addons lie beside it. @returns the program */
export async function program(folder, name, options = {}) {
  return await bundle(folder, `import './bench/programs/${name}';`, { ...options, name: `${name}.cjs` });
}

/** Starts such a program and waits until it says that it is ready. */
export async function startPeer(file, args, env = {}) {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${file} ${args[0]} ended`);
    return value;
  };
  await next();
  return {
    pid: child.pid,
    async ask(line = '') {
      child.stdin.write(`${line}\n`);
      return await next();
    },
    async close() {
      const gone = new Promise((done) => child.once('exit', done));
      child.stdin.end();
      await gone;
    },
  };
}
