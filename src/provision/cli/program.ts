import { Command, type CommanderError } from 'commander';
import { isTpeError, toTpeError } from '../../common/errors/tpe-error';
import { redact } from '../../common/redact';
import { version } from '../../common/version';
import { addCompletion } from './completion';
import { addDiscover } from './discover';
import { addEnroll } from './enroll';
import { addPasswords } from './passwords';
import { addRun } from './run';
import { addStatus } from './status';
import { addVerify } from './verify';
import type { Streams } from './streams';

const USAGE_CODES = ['PROVISION_SETTING_MISSING', 'PROVISION_SETTING_INVALID'] as const;

/** The command line; every command reports its exit code through `streams.exit`. */
export function buildProgram(streams: Streams): Command {
  const program = new Command('tpe-provision')
    .description('Takes ThingsPro Edge gateways from their box to Azure IoT Hub')
    .version(version)
    .showHelpAfterError('(--help shows what is possible)')
    .configureOutput({
      writeOut: (text) => void streams.out.write(text),
      writeErr: (text) => void streams.err.write(text),
    })
    .exitOverride();
  addDiscover(program, streams);
  addRun(program, streams);
  addEnroll(program, streams);
  addStatus(program, streams);
  addVerify(program, streams);
  addPasswords(program, streams);
  addCompletion(program, streams);
  return program;
}

function isCommanderError(error: unknown): error is CommanderError {
  return typeof error === 'object' && error !== null && 'exitCode' in error && 'code' in error;
}

/** Runs a command line; never rejects. */
export async function runProgram(argv: readonly string[], streams: Streams): Promise<void> {
  try {
    await buildProgram(streams).parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (isCommanderError(error)) {
      streams.exit(error.exitCode === 0 ? 0 : 2);
      return;
    }
    const known = toTpeError(error);
    if (argv.includes('--json')) {
      streams.out.write(`${redact(JSON.stringify({ event: 'error', ...known.toJSON() }))}\n`);
    } else {
      streams.err.write(redact(`error ${known.code}: ${known.message}\n  what to do: ${known.advice}\n`));
    }
    streams.exit(isTpeError(known, ...USAGE_CODES) ? 2 : 1);
  }
}
