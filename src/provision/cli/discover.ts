import type { Command } from 'commander';
import type { Gateway } from '../device';
import { pause } from '../pause';
import { COLUMNS, cell, discoveryCells, textTable } from '../report/columns';
import { discover, noGateway } from './discovery';
import { type Flags, commonFlags, discoveryFlags, jobOf } from './flags';
import type { Streams } from './streams';

/** Between two scans: a probe a second from every laptop would be a load on a plant network. */
const WATCH_PAUSE_MS = 2000;

interface DiscoverFlags extends Flags {
  readonly watch?: boolean;
}

/** Scans again and again, and tells every gateway once, until it is interrupted. */
async function watch(flags: Flags, streams: Streams): Promise<number> {
  const file = await jobOf(flags);
  const known = new Set<string>();
  const onFound = (gateway: Gateway): void => {
    const identity = `${gateway.deviceId} ${gateway.keySha256} ${gateway.address}`;
    if (known.has(identity)) return;
    known.add(identity);
    const text =
      flags.json === true
        ? JSON.stringify(gateway)
        : discoveryCells(gateway)
            .map((text) => cell(text))
            .join('  ');
    streams.out.write(`${text}\n`);
  };
  while (!streams.signal.aborted) {
    await discover(flags, file, { onFound, signal: streams.signal });
    await pause(WATCH_PAUSE_MS, streams.signal);
  }
  return 0;
}

async function run(flags: DiscoverFlags, streams: Streams): Promise<number> {
  if (flags.watch === true) return watch(flags, streams);
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
  command.option('--watch', 'go on until interrupted and show gateways as they appear');
  discoveryFlags(commonFlags(command)).action(async (flags: DiscoverFlags) =>
    streams.exit(await run(flags, streams)),
  );
}
