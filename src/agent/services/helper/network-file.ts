import type { EthernetSettings } from '../helper-protocol';

const HEADER = '# Written by tpe-agent; changes by hand are lost.';

function prefixOf(netmask: string): number {
  return netmask
    .split('.')
    .map((octet) => Number(octet).toString(2).replace(/0/g, '').length)
    .reduce((sum, bits) => sum + bits, 0);
}

function netmaskOf(prefix: number): string {
  const mask = prefix === 0 ? 0 : (2 ** 32 - 2 ** (32 - prefix)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join('.');
}

/** systemd.network(5) for these settings. */
export function networkFile(name: string, settings: EthernetSettings): string {
  const { enable, enableDhcp, ip, netmask, gateway, dns } = settings;
  const lines = [
    HEADER,
    '[Match]',
    `Name=${name}`,
    '',
    '[Link]',
    `ActivationPolicy=${enable ? 'always-up' : 'down'}`,
  ];
  lines.push('', '[Network]', `DHCP=${enableDhcp ? 'ipv4' : 'no'}`, 'LinkLocalAddressing=ipv6');
  if (!enableDhcp && ip !== '') lines.push(`Address=${ip}/${prefixOf(netmask)}`);
  if (!enableDhcp && gateway !== '') lines.push(`Gateway=${gateway}`);
  lines.push(...dns.map((server) => `DNS=${server}`));
  return `${lines.join('\n')}\n`;
}

/** The settings in a file that {@link networkFile} wrote. */
export function parseNetworkFile(text: string): EthernetSettings {
  const values = (key: string): string[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${key}=`))
      .map((line) => line.slice(key.length + 1));
  const [ip = '', prefix = '0'] = (values('Address')[0] ?? '').split('/');
  return {
    enable: values('ActivationPolicy')[0] !== 'down',
    enableDhcp: values('DHCP')[0] === 'ipv4',
    ip,
    netmask: ip === '' ? '' : netmaskOf(Number(prefix)),
    gateway: values('Gateway')[0] ?? '',
    dns: values('DNS').slice(0, 3),
  };
}
