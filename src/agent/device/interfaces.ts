import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { NetworkInterface } from './types';

const SYS_CLASS_NET = '/sys/class/net';

/** Twelve lower-case hexadecimal digits; `undefined` for anything that is no usable MAC address. */
export function normalizeMac(text: string | undefined): string | undefined {
  const digits = text?.trim().replace(/[:-]/g, '').toLowerCase();
  if (digits === undefined || !/^[0-9a-f]{12}$/.test(digits)) return undefined;
  return digits === '000000000000' || digits === 'ffffffffffff' ? undefined : digits;
}

/** `00:90:e8:79:46:b5` from the twelve digits. */
export function macWithColons(mac: string): string {
  return mac.replace(/(..)(?=.)/g, '$1:');
}

/** Interfaces that are up, loopback excepted, with their addresses; link-local IPv6 addresses without the zone. */
export function listInterfaces(): NetworkInterface[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) => {
    const outside = (addresses ?? []).filter((address) => !address.internal);
    const first = outside[0];
    if (first === undefined) return [];
    return [
      {
        name,
        mac: normalizeMac(first.mac) ?? '',
        addresses: outside.map(({ address, netmask, family }) => ({
          address,
          netmask,
          family: family === 'IPv6' ? (6 as const) : (4 as const),
        })),
      },
    ];
  });
}

/** A line of sysfs; `undefined` when the kernel has none (the attribute is missing, or not readable in this state). */
export function readSysfs(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Absence is the answer: EINVAL for the speed of a link that is down, ENOENT for virtual interfaces.
    return undefined;
  }
}

/** True for a network card; false for bridges, tunnels, container pairs. Such have no device behind them in sysfs. */
export function isPhysical(name: string, sysClassNet = SYS_CLASS_NET): boolean {
  return existsSync(join(sysClassNet, name, 'device'));
}

/** MAC address of the first physical interface in order of name; of the first interface at all where none is physical. */
export function firstMac(sysClassNet = SYS_CLASS_NET): string | undefined {
  const names = existsSync(sysClassNet) ? readdirSync(sysClassNet).sort() : [];
  const ethernet = names.filter((name) => readSysfs(join(sysClassNet, name, 'type')) === '1');
  const ordered = [
    ...ethernet.filter((name) => isPhysical(name, sysClassNet)),
    ...ethernet.filter((name) => !isPhysical(name, sysClassNet)),
  ];
  for (const name of ordered) {
    const mac = normalizeMac(readSysfs(join(sysClassNet, name, 'address')));
    if (mac !== undefined) return mac;
  }
  return undefined;
}
