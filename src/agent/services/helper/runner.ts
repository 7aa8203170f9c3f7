import { spawn } from 'node:child_process';
import { TpeError, reasonOf } from '../../../common/errors/tpe-error';

/** Runs a program of the system and gives its standard output. A seam for tests. */
export type Runner = (command: string, args: readonly string[], input?: string) => Promise<string>;

/** Only root can have put a program there. */
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const TIMEOUT_MS = 45_000;
const LARGEST_OUTPUT = 256 * 1024;

/** @throws HOST_COMMAND_FAILED with the last line that the program said. */
export const systemRunner: Runner = async (command, args, input = '') =>
  new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new TpeError('HOST_COMMAND_FAILED', { command, reason }));
    const child = spawn(command, args, {
      env: { PATH, LANG: 'C.UTF-8' },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (output[name].length < LARGEST_OUTPUT) output[name] += text;
      });
    }
    child.once('error', (error) => fail(reasonOf(error)));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output.stdout);
      else fail(output.stderr.trim().split('\n').at(-1) || `ended with ${signal ?? code}`);
    });
    // A program that reads nothing closes its end; what it says about it comes with its exit code.
    child.stdin.once('error', () => undefined);
    child.stdin.end(input);
  });
