import { runProgram } from './cli/program';
import { askSecret } from './cli/prompt';

const abort = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => abort.abort());

void runProgram(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  signal: abort.signal,
  ...(process.stdin.isTTY && process.stderr.isTTY ? { ask: askSecret } : {}),
  exit: (code) => {
    process.exitCode = code;
  },
});
