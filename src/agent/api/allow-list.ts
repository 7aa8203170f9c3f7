import { BlockList, isIP } from 'node:net';
import { TpeError } from '../../common/errors/tpe-error';
import { plainAddress } from '../../common/plain-address';

/**
 * Who may connect: networks like `192.168.4.0/24`, `fe80::/10`, or single addresses. Loopback always may, so that a
 * mistake here can be mended on the gateway.
 * @throws SETTINGS_VALUE for an entry that is none.
 */
export function allowList(networks: readonly string[] | undefined): (address: string | undefined) => boolean {
  if (networks === undefined) return () => true;
  const list = new BlockList();
  for (const network of ['127.0.0.0/8', '::1/128', ...networks]) {
    const [address = '', bits] = network.split('/');
    const version = isIP(address);
    const prefix = bits === undefined ? (version === 6 ? 128 : 32) : Number(bits);
    if (version === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > (version === 6 ? 128 : 32)) {
      throw new TpeError('API_ALLOW_LIST_INVALID', { network });
    }
    list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4');
  }
  return (address) => {
    const plain = plainAddress(address ?? '');
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 6 ? 'ipv6' : 'ipv4');
  };
}
