import type { Command } from 'commander';
import type { Gateway } from '../device';
import { pause } from '../pause';
import { serialNotes } from '../discovery/serial-notes';
import { COLUMNS, DISCOVERY_WIDTHS, discoveryCells, textTable } from '../report/columns';
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
  const told = new Set<string>();
  const news = (all: Set<string>, text: string): boolean => !all.has(text) && all.add(text).has(text);
  const warn = (message: string): void => {
    if (news(told, message)) streams.err.write(`warning: ${message}\n`);
  };
  const latest = new Map<string, Gateway>();
  while (!streams.signal.aborted) {
    const gateways = await discover(flags, file, { onWarning: warn, signal: streams.signal });
    const fresh = gateways.filter((gateway) =>
      news(known, `${gateway.deviceId} ${gateway.keySha256} ${gateway.address}`),
    );
    print(fresh, flags, streams, latest.size === 0);
    for (const gateway of fresh) latest.set(`${gateway.deviceId} ${gateway.keySha256}`, gateway);
    for (const note of serialNotes([...latest.values()])) warn(note);
    await pause(WATCH_PAUSE_MS, streams.signal);
  }
  return 0;
}

function print(gateways: readonly Gateway[], flags: Flags, streams: Streams, header: boolean): void {
  if (flags.json === true) {
    for (const gateway of gateways) streams.out.write(`${JSON.stringify(gateway)}\n`);
  } else if (gateways.length > 0) {
    const table = textTable(COLUMNS.slice(0, 6), gateways.map(discoveryCells), DISCOVERY_WIDTHS);
    streams.out.write(`${header ? table : table.slice(table.indexOf('\n') + 1)}\n`);
  }
}

async function run(flags: DiscoverFlags, streams: Streams): Promise<number> {
  if (flags.watch === true) return watch(flags, streams);
  const file = await jobOf(flags);
  const warn = (message: string): void => void streams.err.write(`warning: ${message}\n`);
  const gateways = await discover(flags, file, { onWarning: warn, signal: streams.signal });
  if (gateways.length === 0) throw noGateway(flags, file);
  print(gateways, flags, streams, true);
  if (flags.json !== true) streams.out.write(`${gateways.length} found\n`);
  for (const note of serialNotes(gateways)) warn(note);
  return 0;
}

export function addDiscover(program: Command, streams: Streams): void {
  const command = program.command('discover').description('list the gateways on the network');
  command.option('--watch', 'go on until interrupted and show gateways as they appear');
  discoveryFlags(commonFlags(command)).action(async (flags: DiscoverFlags) =>
    streams.exit(await run(flags, streams)),
  );
}
