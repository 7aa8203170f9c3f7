import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Program, distFolder } from './process';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export async function ctl(...args: string[]): Promise<Ended> {
  const program = new Program('tpe-agentctl', args);
  const { code } = await program.exited;
  return { code, out: program.stdout, err: program.stderr };
}

/** The one JSON object that a command prints. */
export async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await ctl(...args, '--json');
  if (code !== 0) throw new Error(`exit ${code}: ${err}${out}`);
  return JSON.parse(out) as Record<string, unknown>;
}

/** tpe-agentctl at a terminal of its own, where somebody types. */
export async function atTerminal(
  typed: string,
  ...args: string[]
): Promise<{ code: number | null; said: string }> {
  const line = [process.execPath, join(distFolder, 'tpe-agentctl.cjs'), ...args]
    .map((word) => `'${word}'`)
    .join(' ');
  const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (!said.includes('to go on:') && (said + text).includes('to go on:')) child.stdin.write(typed);
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}
