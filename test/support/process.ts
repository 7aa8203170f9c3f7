import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { waitFor } from './wait';

export const distFolder = join(__dirname, '../../dist');

/** Node.js and our programs, where they are not this process's and dist/. */
export interface Place {
  readonly node: string;
  readonly folder: string;
}

/** A program of ours as a child process, with everything that it said. */
export class Program {
  readonly #child: ChildProcess;
  readonly #name: string;
  #stdout = '';
  #stderr = '';
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  /** @param inside command that runs another one in its own place, e.g. in a network namespace. */
  constructor(
    name: string,
    args: string[],
    env: NodeJS.ProcessEnv = {},
    inside: readonly string[] = [],
    { node, folder }: Place = { node: process.execPath, folder: distFolder },
  ) {
    this.#name = name;
    const [command = '', ...rest] = [...inside, node, join(folder, `${name}.cjs`), ...args];
    this.#child = spawn(command, rest, {
      // Nothing of the caller's environment that changes how the program writes or whom it notifies.
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], LANG: 'C.UTF-8', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.exited = new Promise((resolve) =>
      this.#child.once('close', (code, signal) => resolve({ code, signal })),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }
  get stdout(): string {
    return this.#stdout;
  }
  get stderr(): string {
    return this.#stderr;
  }
  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The JSON objects among the lines of stdout. */
  jsonLines(): Record<string, unknown>[] {
    return this.#stdout
      .split('\n')
      .slice(0, -1)
      .flatMap((line) => {
        try {
          return [JSON.parse(line.replace(/^<\d>/, '')) as Record<string, unknown>];
        } catch {
          return [];
        }
      });
  }

  /** Waits for a JSON line; fails at once, with what was said, when the program ends before. */
  async line(
    match: (line: Record<string, unknown>) => boolean,
    what: string,
    timeoutMs = 30_000,
  ): Promise<Record<string, unknown>> {
    const outcome = await waitFor(
      `${this.#name}: ${what}`,
      () => this.jsonLines().find(match) ?? (this.running ? undefined : ('ended' as const)),
      timeoutMs,
    );
    if (outcome === 'ended') throw new Error(`${this.#name} ended:\n${this.#stdout}\n${this.#stderr}`);
    return outcome;
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  /** SIGTERM, then SIGKILL after ten seconds. Resolves with the exit code. */
  async stop(): Promise<number | null> {
    if (this.running) this.kill();
    const harder = setTimeout(() => this.kill('SIGKILL'), 10_000);
    const { code } = await this.exited;
    clearTimeout(harder);
    return code;
  }
}
