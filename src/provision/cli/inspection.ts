import { type Inspection, inspect } from '../inspect/inspect';
import { inParallel } from '../pool';
import { credentialsOf, factoryOf, openDps } from './connect';
import { discover, noGateway } from './discovery';
import { type Flags, jobOf } from './flags';
import type { Streams } from './streams';

const WIDTH = 16;

/** Discovers and inspects; DPS is asked where an endpoint is given. */
export async function inspectAll(flags: Flags, streams: Streams): Promise<Inspection[]> {
  const file = await jobOf(flags);
  const endpoint = flags.dpsEndpoint ?? file.dps?.endpoint;
  const factory = await factoryOf(flags, file);
  const credentials = await credentialsOf(flags, file, factory);
  const dps = endpoint === undefined ? undefined : await openDps(flags, file, streams.signal);
  try {
    const gateways = await discover(flags, file, {
      onWarning: (message) => streams.err.write(`warning: ${message}\n`),
      signal: streams.signal,
    });
    if (gateways.length === 0) throw noGateway(flags, file);
    const trustOnFirstUse = flags.trustOnFirstUse ?? file.gateways?.trustOnFirstUse ?? false;
    return await inParallel(gateways, WIDTH, (gateway) =>
      inspect(gateway, { credentials, factory, trustOnFirstUse, dps, signal: streams.signal }),
    );
  } finally {
    dps?.close();
    await credentials.close();
  }
}
