import { resolve } from 'node:path';
import { toTpeError } from '../common/errors/tpe-error';
import { createLogger } from '../common/logger';
import { type Options, buildProgram } from './command-line';
import { startEmulator } from './emulator';
import { readFaultsFile } from './faults/faults-file';

const EXIT_FAILED = 1;

async function run(options: Options): Promise<void> {
  // stdout carries the ready line and nothing else.
  const logger = createLogger('tpe-cloud-emulator', 'info', process.stderr);
  const emulator = await startEmulator({
    stateFolder: resolve(options.state),
    address: options.address,
    dpsPort: options.dpsPort,
    servicePort: options.servicePort,
    hubPort: options.hubPort,
    hubs: options.hubs,
    names: options.name,
    faults: options.faults === undefined ? [] : await readFaultsFile(options.faults),
    settings: { retryAfterSeconds: options.retryAfter },
    logger,
  });
  process.stdout.write(`${JSON.stringify(emulator.ready)}\n`);
  const end = (): void => {
    emulator.stop().then(
      () => process.exit(0),
      () => process.exit(EXIT_FAILED),
    );
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
}

run(buildProgram().parse().opts<Options>()).catch((error: unknown) => {
  const { code, message, advice } = toTpeError(error);
  process.stderr.write(`error ${code}: ${message}\n  what to do: ${advice}\n`);
  process.exit(EXIT_FAILED);
});
