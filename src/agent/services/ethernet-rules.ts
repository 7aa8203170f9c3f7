import { isIPv4 } from 'node:net';
import type { EthernetSettings } from './helper-protocol';

/** True for a contiguous mask that is not empty. */
function isNetmask(text: string): boolean {
  if (!isIPv4(text)) return false;
  const mask = text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const inverse = 2 ** 32 - 1 - mask;
  return mask !== 0 && (inverse & (inverse + 1)) === 0;
}

/** 0.0.0.0/8, loopback, multicast and what is reserved are no addresses of a port. */
function isHostAddress(text: string): boolean {
  const first = Number(text.split('.')[0]);
  return isIPv4(text) && first >= 1 && first <= 223 && first !== 127;
}

/**
 * Why these settings are none, for a person; `undefined` when all is well. Asked by the agent, so that the client
 * gets a 400, and again by the root helper, which does not believe the agent.
 */
export function ethernetProblem({
  dns,
  enable,
  enableDhcp,
  gateway,
  ip,
  netmask,
}: EthernetSettings): string | undefined {
  if (dns.some((server) => !isIPv4(server))) return 'dns: not an IPv4 address';
  // What is not used now would be used when somebody switches DHCP off, or the port on.
  const unused = enableDhcp || !enable;
  if (!(unused && ip === '') && !isHostAddress(ip)) {
    return ip === '' ? 'ip: a static address is needed without DHCP' : 'ip: not an address for a port';
  }
  if (!(unused && netmask === '') && !isNetmask(netmask)) return 'netmask: not a netmask';
  if (gateway !== '' && !isHostAddress(gateway)) return 'gateway: not an IPv4 address';
  return undefined;
}
