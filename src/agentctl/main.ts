import { CommanderError } from 'commander';
import { buildProgram } from './program';

const EXIT_USAGE = 2;

async function main(): Promise<void> {
  try {
    await buildProgram().parseAsync();
  } catch (error) {
    // Commander has printed what was wrong; --help and --version arrive here too, with exit code 0.
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
}

void main();
