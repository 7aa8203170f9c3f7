import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { leasedAddress } from '../../../src/agent/services/helper/lease';
import { networkFile } from '../../../src/agent/services/helper/network-file';
import { NetworkLab } from '../../support/network-lab';
import { withTempFolder } from '../../support/temp';
import { waitFor } from '../../support/wait';

const STATIC = {
  enable: true,
  enableDhcp: false,
  ip: '192.168.77.9',
  netmask: '255.255.255.0',
  gateway: '',
  dns: [],
};

const SERVER = `[Match]
Name=server
[Network]
Address=192.168.77.1/24
DHCPServer=yes
[DHCPServer]
PoolOffset=50
PoolSize=20
`;

/** The account that systemd-networkd falls to is root's own: in a user namespace there is no other. */
const ACCOUNTS = 'systemd-network:x:0:0::/:/bin/false\n';

/** Without udev, which it recognises by a /sys that cannot be written. */
const START = `
mountpoint -q /sys/kernel || mount -t tmpfs -o ro tmpfs /sys
for file in passwd group; do mount --bind "$1/accounts" /etc/$file; done
mkdir -p /run/systemd/netif/leases /run/systemd/netif/links /run/systemd/netif/lldp
ln -sfn "$1/network" /run/systemd/network
exec /usr/lib/systemd/systemd-networkd
`;

interface Address {
  readonly local: string;
  readonly dynamic?: boolean;
}

async function ipv4Of(lab: NetworkLab, name: string): Promise<Address[]> {
  const text = await lab.command([...lab.on(), 'ip', '-4', '-json', 'address', 'show', 'dev', name]);
  return (JSON.parse(text) as { addr_info: Address[] }[]).flatMap((link) => link.addr_info);
}

test('systemd-networkd keeps the lease where it is looked for, and none once the address is static', async () => {
  await withTempFolder(async (folder) => {
    const lab = await NetworkLab.open();
    const [network, sysfs] = [join(folder, 'network'), join(folder, 'sys')];
    let networkd: ChildProcess | undefined;
    const end = async (): Promise<void> => {
      if (networkd?.exitCode !== null) return;
      const ended = once(networkd, 'exit');
      networkd.kill('SIGKILL');
      await ended;
    };
    const start = (): ChildProcess => {
      const [program, ...args] = [...lab.on(), 'sh', '-euc', START, 'sh', folder];
      return spawn(program, args, { stdio: 'ignore' });
    };
    const leased = async (): Promise<string | undefined> =>
      leasedAddress('port', join('/proc', String(networkd?.pid), 'root', 'run/systemd/netif/leases'), sysfs);
    try {
      await lab.ip('link add port type veth peer name server');
      await Promise.all([network, join(sysfs, 'port')].map(async (path) => mkdir(path, { recursive: true })));
      const index = await lab.command([...lab.on(), 'ip', '-json', 'link', 'show', 'dev', 'port']);
      const [link] = JSON.parse(index) as { ifindex: number }[];
      await writeFile(join(sysfs, 'port/ifindex'), `${link?.ifindex}\n`);
      await writeFile(join(folder, 'accounts'), ACCOUNTS);
      await writeFile(join(network, '01-server.network'), SERVER);
      const file = join(network, '05-tpe-port.network');
      await writeFile(file, networkFile('port', { ...STATIC, ip: '', netmask: '', enableDhcp: true }));

      networkd = start();
      await waitFor('a lease', async () => (await leased()) !== undefined, 30_000);
      const address = (await leased()) ?? '';
      expect(address).toMatch(/^192\.168\.77\.(5\d|6\d)$/);
      await waitFor('the address', async () =>
        (await ipv4Of(lab, 'port')).some(({ local }) => local === address),
      );

      await end();
      await writeFile(file, networkFile('port', STATIC));
      networkd = start();
      // The leased address may stay with the kernel, beside the new one: the lease tells them apart.
      await waitFor(
        'the static address',
        async () => (await ipv4Of(lab, 'port')).some(({ local }) => local === STATIC.ip),
        30_000,
      );
      expect(await leased()).toBeUndefined();
    } finally {
      await end();
      await lab.close();
    }
  });
}, 90_000);
