import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { TpeError } from '../../common/errors/tpe-error';

/** Where one probe goes. */
export interface Target {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
  /** Own address that the probe leaves from; decides the interface of a broadcast. */
  readonly from?: string;
  readonly broadcast?: boolean;
}

/** More hosts than a /18 has: a sweep that large is a mistake in the prefix. */
const LARGEST_SWEEP = 16_384;

const invalid = (text: string, reason: string): TpeError =>
  new TpeError('PROVISION_SETTING_INVALID', { setting: `target "${text}"`, reason });

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

/** All host addresses of an IPv4 network, network and broadcast address left out where there are any. */
function sweep(text: string, network: string, prefix: number, port: number): Target[] {
  const size = 2 ** (32 - prefix);
  if (size > LARGEST_SWEEP) throw invalid(text, `a network of ${size} addresses is too large to sweep`);
  const first = Math.floor(toNumber(network) / size) * size;
  const [from, to] = size > 2 ? [first + 1, first + size - 2] : [first, first + size - 1];
  const targets: Target[] = [];
  for (let value = from; value <= to; value += 1)
    targets.push({ address: toAddress(value), port, family: 4 });
  return targets;
}

function parsePort(text: string, part: string | undefined, defaultPort: number): number {
  if (part === undefined) return defaultPort;
  const port = Number(part);
  if (!/^\d{1,5}$/.test(part) || port < 1 || port > 65_535) throw invalid(text, 'the port is not 1 to 65535');
  return port;
}

/**
 * Reads `192.168.4.127`, `192.168.4.127:40404`, `192.168.4.0/24`, `192.168.4.255` (a directed broadcast is sent like
 * a host), `[fe80::1%eth0]:40404` or `fe80::1%eth0`.
 * @throws PROVISION_SETTING_INVALID
 */
export function parseTarget(text: string, defaultPort: number): Target[] {
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(text);
  const v6 = bracketed?.[1] ?? text;
  if (isIP(v6.split('%')[0] ?? '') === 6) {
    return [{ address: v6, port: parsePort(text, bracketed?.[2], defaultPort), family: 6 }];
  }
  const v4 = /^([0-9.]+)(?:\/(\d{1,2}))?(?::(.*))?$/.exec(text);
  const address = v4?.[1] ?? '';
  if (isIP(address) !== 4) throw invalid(text, 'it is neither an IP address nor a network like 10.0.0.0/24');
  const port = parsePort(text, v4?.[3], defaultPort);
  if (v4?.[2] === undefined) return [{ address, port, family: 4, broadcast: address.endsWith('.255') }];
  const prefix = Number(v4[2]);
  if (prefix > 32) throw invalid(text, 'the prefix length is not 0 to 32');
  return sweep(text, address, prefix, port);
}

/** Limited broadcast from every own IPv4 address, and all-nodes on every interface with an IPv6 link-local address. */
export function broadcastTargets(port: number, interfaces = networkInterfaces()): Target[] {
  const targets: Target[] = [];
  for (const [name, addresses] of Object.entries(interfaces)) {
    for (const entry of addresses ?? []) {
      if (entry.internal) continue;
      if (entry.family === 'IPv4') {
        targets.push({ address: '255.255.255.255', port, family: 4, from: entry.address, broadcast: true });
        const host = toNumber(entry.address);
        const mask = toNumber(entry.netmask);
        const directed = toAddress(((host & mask) | ~mask) >>> 0);
        if (entry.netmask !== '255.255.255.255')
          targets.push({ address: directed, port, family: 4, from: entry.address, broadcast: true });
      } else if (entry.address.toLowerCase().startsWith('fe80:')) {
        targets.push({ address: `ff02::1%${name}`, port, family: 6, from: `${entry.address}%${name}` });
      }
    }
  }
  return targets;
}
