import { type Gateway } from '../device';
import { inspect } from '../inspect/inspect';
import type { Inspection } from '../inspect/views';
import { type Book, MemoryBook } from '../journal/book';
import { readJournal } from '../journal/journal';
import { stageReached } from '../journal/record';
import { inParallel } from '../pool';
import { settleConflicts } from '../trust/tls-key';
import { credentialsOf, factoryOf, journalPath, openDps, openHubs } from './connect';
import { checkOnly, discover, noGateway } from './discovery';
import { type Flags, jobOf } from './flags';
import type { Streams } from './streams';

const WIDTH = 16;

/** Those of the journal that were provisioned are expected, whether they answer or not: discovery closes by itself. */
function expected(book: Book, found: readonly Gateway[]): Gateway[] {
  const here = new Set(found.map(({ deviceId }) => deviceId));
  return [...book.all()].flatMap(({ gateway, stage }) =>
    stageReached(stage, 'collected') && !here.has(gateway.deviceId) ? [gateway] : [],
  );
}

/** Discovers and inspects, the gateways of the journal included; DPS and hubs are asked where access to them is given. */
export async function inspectAll(flags: Flags, streams: Streams): Promise<Inspection[]> {
  const file = await jobOf(flags);
  const endpoint = flags.dpsEndpoint ?? file.dps?.endpoint;
  const journal = journalPath(flags, file);
  const book = journal === undefined ? new MemoryBook() : await readJournal(journal);
  const factory = await factoryOf(flags, file);
  const hubs = await openHubs(flags, file, streams);
  const credentials = await credentialsOf(flags, file, factory, streams);
  const dps = endpoint === undefined ? undefined : await openDps(flags, file, streams);
  try {
    const found = await discover(flags, file, {
      onWarning: (message) => streams.err.write(`warning: ${message}\n`),
      signal: streams.signal,
    });
    const { kept, refused } = settleConflicts(
      found,
      (gateway) => factory.entryFor(gateway)?.keySha256 ?? book.get(gateway.deviceId)?.pinnedKey,
    );
    for (const { error } of refused) streams.err.write(`warning: ${error.message}. ${error.advice}\n`);
    const known = [...kept, ...expected(book, found)];
    checkOnly(flags.only, known);
    const only = new Set(flags.only);
    const gateways = known.filter(
      ({ serialNumber, deviceId }) => only.size === 0 || only.has(serialNumber) || only.has(deviceId),
    );
    if (gateways.length === 0) throw noGateway(flags, file);
    const trustOnFirstUse = flags.trustOnFirstUse ?? file.gateways?.trustOnFirstUse ?? false;
    const options = { credentials, factory, trustOnFirstUse, dps, hubs, signal: streams.signal };
    return await inParallel(gateways, WIDTH, (gateway) =>
      inspect(gateway, book.get(gateway.deviceId), options),
    );
  } finally {
    dps?.close();
    hubs?.close();
    await credentials.close();
  }
}
