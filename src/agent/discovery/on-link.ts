import { BlockList } from 'node:net';
import type { NetworkInterface } from '../device/types';

/** How long a list of interfaces is believed; asking the kernel for every datagram of a flood would be the damage. */
const FRESH_MS = 1000;

/** Plants have routers: a utility in another subnet of the same site asks each address by unicast. */
const SITE = new BlockList();
SITE.addSubnet('10.0.0.0', 8);
SITE.addSubnet('172.16.0.0', 12);
SITE.addSubnet('192.168.0.0', 16);

interface Link {
  readonly interfaceName: string;
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
   * Our address for an answer to `source`: the one in its network, or, for a routed source with a private address
   * (RFC 1918), the first of the interface. `undefined` for all others, which get no unicast answer (BCP 38, RFC 8085).
   * @param interfaceName only this interface counts; any when `undefined`, but then routed sources get no answer.
   */
  addressFor(
    source: string,
    family: 4 | 6,
    interfaceName: string | undefined,
    now: number,
  ): string | undefined {
    if (source === '127.0.0.1' || source === '::1') return source;
    const plain = source.split('%')[0] ?? source;
    // Every link has fe80::/64, so only the interface tells which of ours is meant.
    if (family === 6 && !plain.startsWith('fe80:')) return undefined;
    const type = family === 6 ? 'ipv6' : 'ipv4';
    const onLink = this.#fresh(now).find(
      (link) =>
        link.family === family &&
        (interfaceName === undefined || link.interfaceName === interfaceName) &&
        link.network.check(plain, type),
    )?.address;
    if (onLink !== undefined || family === 6 || !SITE.check(plain)) return onLink;
    return this.firstAddress(interfaceName, now);
  }

  /** First IPv4 address of an interface: what an answer by broadcast names. */
  firstAddress(interfaceName: string | undefined, now: number): string | undefined {
    return this.#fresh(now).find((link) => link.family === 4 && link.interfaceName === interfaceName)
      ?.address;
  }

  #fresh(now: number): readonly Link[] {
    if (now - this.#readAt <= FRESH_MS) return this.#links;
    this.#readAt = now;
    this.#links = this.#interfaces().flatMap(({ name, addresses }) =>
      addresses.map(({ address, family, netmask }) => {
        const network = new BlockList();
        network.addSubnet(address, prefixLength(netmask), family === 6 ? 'ipv6' : 'ipv4');
        return { interfaceName: name, address, family, network };
      }),
    );
    return this.#links;
  }
}
