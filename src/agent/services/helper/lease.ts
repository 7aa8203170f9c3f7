import { join } from 'node:path';
import { readOptional } from '../../../common/fs/read-optional';
import { readSysfs } from '../../device/interfaces';

const LEASES = '/run/systemd/netif/leases';

/**
 * The IPv4 address that a DHCP server has leased to this port; `undefined` while none has answered. systemd-networkd
 * keeps the lease in a file named after the interface's index and removes it with the lease; networkctl(1) and
 * cloud-init read it there, too.
 */
export async function leasedAddress(
  name: string,
  folder = LEASES,
  sysClassNet = '/sys/class/net',
): Promise<string | undefined> {
  const index = readSysfs(join(sysClassNet, name, 'ifindex'));
  const lease = index === undefined ? undefined : await readOptional(join(folder, index));
  return lease === undefined ? undefined : /^ADDRESS=(.+)$/m.exec(lease)?.[1];
}
