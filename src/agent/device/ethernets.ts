import { existsSync, readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { isPhysical, normalizeMac, readSysfs } from './interfaces';

/** An Ethernet port as the kernel sees it. */
export interface EthernetPort {
  /** From 1, in order of name. */
  readonly id: number;
  readonly name: string;
  /** Twelve lower-case hexadecimal digits. */
  readonly mac: string;
  readonly up: boolean;
  readonly carrier: boolean;
  /** Mbit/s; 0 when there is no link. */
  readonly linkSpeed: number;
  /** First IPv4 address; empty when there is none. */
  readonly ip: string;
  readonly netmask: string;
  /** IPv4 address of the default route through this port; empty when there is none. */
  readonly gateway: string;
  /** All addresses, IPv6 ones without zone. */
  readonly addresses: readonly string[];
}

/** Names that are no Ethernet port of a gateway though they look like one to the kernel: cellular, Wi-Fi. */
const NOT_ETHERNET = /^(wwan|wlan|wwp|wlp|wl|ww|usb)/;

/** Gateways of the default routes by interface, from /proc/net/route: little-endian hexadecimal. */
function defaultGateways(): Map<string, string> {
  const rows = (readSysfs('/proc/net/route') ?? '').split('\n').slice(1);
  return new Map(
    rows
      .map((row) => row.trim().split(/\s+/))
      .filter(([, destination, gateway]) => destination === '00000000' && gateway !== '00000000')
      .map(([name = '', , gateway = '']) => [
        name,
        (gateway.match(/../g) ?? [])
          .reverse()
          .map((byte) => parseInt(byte, 16))
          .join('.'),
      ]),
  );
}

/** The Ethernet ports; where none is physical (a container) all Ethernet-like interfaces. */
export function listEthernets(sysClassNet = '/sys/class/net'): EthernetPort[] {
  const names = (existsSync(sysClassNet) ? readdirSync(sysClassNet) : [])
    .filter((name) => readSysfs(join(sysClassNet, name, 'type')) === '1' && !NOT_ETHERNET.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const physical = names.filter((name) => isPhysical(name, sysClassNet));
  const gateways = defaultGateways();
  const known = networkInterfaces();
  return (physical.length > 0 ? physical : names).map((name, i) => {
    const addresses = known[name] ?? [];
    const ipv4 = addresses.find(({ family }) => family === 'IPv4');
    const attribute = (file: string): string => readSysfs(join(sysClassNet, name, file)) ?? '';
    const speed = Number(attribute('speed'));
    return {
      id: i + 1,
      name,
      mac: normalizeMac(attribute('address')) ?? '000000000000',
      up: (Number(attribute('flags')) & 1) === 1,
      carrier: attribute('carrier') === '1',
      linkSpeed: Number.isFinite(speed) && speed > 0 ? speed : 0,
      ip: ipv4?.address ?? '',
      netmask: ipv4?.netmask ?? '',
      gateway: gateways.get(name) ?? '',
      addresses: addresses.map(({ address }) => address),
    };
  });
}
