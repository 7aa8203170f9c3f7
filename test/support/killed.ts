import { spawn } from 'node:child_process';
import { buildSync } from 'esbuild';

/** Bundles a TypeScript program to be run by itself. @returns where it is */
export function bundle(entryPoint: string, outfile: string): string {
  buildSync({ entryPoints: [entryPoint], outfile, bundle: true, platform: 'node', format: 'cjs' });
  return outfile;
}

/** Runs a program that counts on stdout, and kills it `ms` after its first number. @returns the last number it said */
export async function runAndKill(program: string, args: readonly string[], ms: number): Promise<number> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.on('data', (text) => {
    said += String(text);
    timer ??= setTimeout(() => child.kill('SIGKILL'), ms);
  });
  await new Promise((done) => child.once('close', done));
  return Number(said.trim().split('\n').at(-1));
}
