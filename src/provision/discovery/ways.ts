import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Gateway } from '../device';

/** A gateway has a few ports; more addresses than this are somebody's game. */
const MOST_WAYS = 8;

const isLinkLocal = (address: string): boolean => address.toLowerCase().startsWith('fe80:');

/** The IPv4 networks that this computer is in. */
function ownNetworks(interfaces = networkInterfaces()): BlockList {
  const networks = new BlockList();
  for (const { address, cidr, family } of Object.values(interfaces).flatMap((entries) => entries ?? [])) {
    if (family === 'IPv4') networks.addSubnet(address, Number(cidr?.split('/')[1] ?? 32));
  }
  return networks;
}

/** The addresses that gateways answered from. */
export class Ways {
  readonly #own = ownNetworks();
  readonly #byGateway = new Map<string, Set<string>>();
  readonly #users = new Map<string, Set<string>>();

  add(identity: string, address: string): void {
    const ways = this.#byGateway.get(identity) ?? new Set();
    if (ways.size >= MOST_WAYS) return;
    this.#byGateway.set(identity, ways.add(address));
    this.#users.set(address, (this.#users.get(address) ?? new Set()).add(identity));
  }

  /**
   * The gateway at the address that later steps should use: units as they come from the factory all have the same
   * foreign IPv4 address, and only the link-local one of IPv6 reaches them and tells them apart.
   */
  best(identity: string, gateway: Gateway): Gateway {
    const shared = (this.#users.get(gateway.address)?.size ?? 0) > 1;
    const foreign = !gateway.address.includes(':') && !this.#own.check(gateway.address);
    if (!shared && !foreign) return gateway;
    const own = [...(this.#byGateway.get(identity) ?? [])].find(
      (address) => isLinkLocal(address) && this.#users.get(address)?.size === 1,
    );
    return own === undefined ? gateway : { ...gateway, address: own };
  }
}
