import { BlockList } from 'node:net';
import type { NetworkInterface } from '../device/types';

/** How long a list of interfaces is believed; asking the kernel for every datagram of a flood would be the damage. */
const FRESH_MS = 1000;

interface Link {
  readonly address: string;
  readonly family: 4 | 6;
  readonly network: BlockList;
}

function prefixLength(netmask: string): number {
  if (netmask.includes(':')) {
    return netmask
      .split(':')
      .filter((group) => group !== '')
      .reduce((sum, group) => sum + (parseInt(group, 16).toString(2).match(/1/g)?.length ?? 0), 0);
  }
  return netmask
    .split('.')
    .reduce((sum, octet) => sum + (Number(octet).toString(2).match(/1/g)?.length ?? 0), 0);
}

/** Finds which of our addresses a neighbour sees. */
export class OnLink {
  readonly #interfaces: () => NetworkInterface[];
  #links: Link[] = [];
  #readAt = -Infinity;

  constructor(interfaces: () => NetworkInterface[]) {
    this.#interfaces = interfaces;
  }

  /**
   * Our address in the network that `source` is on; `undefined` when it is on none of ours: a forged or routed
   * source, which gets no unicast answer (BCP 38, RFC 8085).
   */
  addressFor(source: string, family: 4 | 6, now: number): string | undefined {
    if (source === '127.0.0.1' || source === '::1') return source;
    if (now - this.#readAt > FRESH_MS) {
      this.#readAt = now;
      this.#links = this.#interfaces().flatMap(({ addresses }) =>
        addresses.map((each) => {
          const network = new BlockList();
          const type = each.family === 6 ? 'ipv6' : 'ipv4';
          network.addSubnet(each.address, prefixLength(each.netmask), type);
          return { address: each.address, family: each.family, network };
        }),
      );
    }
    const plain = source.split('%')[0] ?? source;
    const type = family === 6 ? 'ipv6' : 'ipv4';
    return this.#links.find((link) => link.family === family && link.network.check(plain, type))?.address;
  }
}
