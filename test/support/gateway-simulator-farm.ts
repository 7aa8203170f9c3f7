import { createSocket } from 'node:dgram';
import { GatewaySimulator } from './gateway-simulator';
import { type DpsAddress, DpsDevice } from './gateway-simulator-dps-device';
import { generateStorageKey } from './gateway-simulator-keys';
import { storageKeys } from './gateway-simulator-primes';

/** 127.1.0.1, 127.1.0.2 … without network and broadcast addresses of a /24. */
function addressOf(index: number): string {
  return `127.1.${Math.floor(index / 254)}.${(index % 254) + 1}`;
}

/** Runs gateways on addresses of their own, all on the same ports. */
export async function startFarm(options: {
  count: number;
  cache: string;
  discoveryPort: number;
  apiPort: number;
  dps: DpsAddress | undefined;
}): Promise<GatewaySimulator[]> {
  const srk = generateStorageKey('srk');
  const gateways: GatewaySimulator[] = [];
  for (const ek of await storageKeys(options.count, options.cache)) {
    const index = gateways.length;
    const device = options.dps === undefined ? undefined : new DpsDevice(options.dps, ek, srk);
    gateways.push(
      await GatewaySimulator.start({
        serialNumber: `TAICB${1_000_000 + index}`,
        mac: (0x0090e8000000 + index).toString(16).padStart(12, '0'),
        address: addressOf(index),
        discoveryPort: options.discoveryPort,
        apiPort: options.apiPort,
        ek,
        ...(device === undefined ? {} : { onEnable: (self) => void device.register(self) }),
      }),
    );
  }
  listenToBroadcasts(gateways, options.discoveryPort);
  return gateways;
}

/** A gateway answers a crowd's probe after a short random delay. */
const LONGEST_DELAY_MS = 500;

/** Loopback delivers a broadcast to sockets on the wildcard address only; the answers leave from each own address. */
function listenToBroadcasts(gateways: readonly GatewaySimulator[], port: number): void {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (datagram, source) => {
    for (const gateway of gateways) {
      setTimeout(() => gateway.receive(datagram, source), Math.random() * LONGEST_DELAY_MS);
    }
  });
  socket.bind(port);
}

async function main(): Promise<void> {
  const [count, cache, discoveryPort, apiPort, dps] = process.argv.slice(2);
  const gateways = await startFarm({
    count: Number(count),
    cache: String(cache),
    discoveryPort: Number(discoveryPort),
    apiPort: Number(apiPort),
    dps: dps === undefined ? undefined : (JSON.parse(dps) as DpsAddress),
  });
  process.stdout.write(`${JSON.stringify({ ready: gateways.length })}\n`);
}

if (process.env['GATEWAY_FARM'] === 'run') void main();
