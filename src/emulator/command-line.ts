import { Command, InvalidArgumentError } from 'commander';
import { version } from '../common/version';

const EXIT_USAGE = 2;

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`a whole number from ${least} to ${most} is expected.`);
    }
    return value;
  };
}

const port = integer(0, 65535);
const collect = (value: string, before: readonly string[]): string[] => [...before, value];

export interface Options {
  state: string;
  address: string;
  dpsPort: number;
  servicePort: number;
  hubPort: number;
  hubs: number;
  name: string[];
  retryAfter: number;
  faults?: string;
}

/** The command line as a value: run by main.ts, described by its manual page. */
export const buildProgram = (): Command =>
  new Command('tpe-cloud-emulator')
    .description('Azure DPS with TPM attestation and IoT Hub over MQTT, on this machine')
    .version(version)
    .requiredOption('--state <folder>', 'folder of its CA, keys, enrollments and twins; made when absent')
    .option('--dps-port <port>', 'port of the DPS device API, 0 for a free one', port, 0)
    .option('--service-port <port>', 'port of the DPS and IoT Hub service APIs, 0 for a free one', port, 0)
    .option('--hub-port <port>', 'port of the IoT hubs (MQTT over TLS), 0 for a free one', port, 0)
    .option('--address <address>', 'address to listen on', '127.0.0.1')
    .option(
      '--name <name>',
      'further DNS name or address for the server certificate, repeatable',
      collect,
      [],
    )
    .option('--hubs <number>', 'number of IoT hubs', integer(1, 50), 1)
    .option('--retry-after <seconds>', 'Retry-After of DPS while it assigns', integer(0, 3600), 1)
    .option('--faults <file>', 'faults from the start, a list in YAML or JSON')
    .configureOutput({ writeErr: (text) => process.stderr.write(text) })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE));
