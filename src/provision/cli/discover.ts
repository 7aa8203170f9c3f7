import type { Command } from 'commander';
import { COLUMNS, discoveryCells, textTable } from '../report/columns';
import { discover, noGateway } from './discovery';
import { type Flags, commonFlags, discoveryFlags, jobOf } from './flags';
import type { Streams } from './streams';

async function run(flags: Flags, streams: Streams): Promise<number> {
  const file = await jobOf(flags);
  const gateways = await discover(flags, file, {
    onWarning: (message) => streams.err.write(`warning: ${message}\n`),
    signal: streams.signal,
    ...(flags.json === true
      ? { onFound: (gateway) => streams.out.write(`${JSON.stringify(gateway)}\n`) }
      : {}),
  });
  if (gateways.length === 0) throw noGateway(flags, file);
  if (flags.json !== true) {
    streams.out.write(`${textTable(COLUMNS.slice(0, 6), gateways.map(discoveryCells))}\n`);
    streams.out.write(`${gateways.length} found\n`);
  }
  return 0;
}

export function addDiscover(program: Command, streams: Streams): void {
  const command = program.command('discover').description('list the gateways on the network');
  discoveryFlags(commonFlags(command)).action(async (flags: Flags) =>
    streams.exit(await run(flags, streams)),
  );
}
