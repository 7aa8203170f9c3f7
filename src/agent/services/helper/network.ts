import { mkdir, readFile, rm } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { TpeError, codeOf } from '../../../common/errors/tpe-error';
import { writeFileAtomic } from '../../../common/fs/atomic-write';
import type { EthernetSettings } from '../helper-protocol';
import type { Runner } from './runner';

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

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export interface NetworkOptions {
  readonly stateFolder: string;
  readonly run: Runner;
  /** Folder of systemd-networkd's files. */
  readonly folder?: string;
}

/** Addresses of interfaces through systemd-networkd. */
export class Network {
  readonly #options: NetworkOptions;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  async get(name: string): Promise<EthernetSettings> {
    const own = await readOptional(this.#path(name));
    if (own !== undefined) return parseNetworkFile(own);
    const ipv4 = networkInterfaces()[name]?.find(({ family }) => family === 'IPv4');
    return {
      enable: true,
      // Whoever configured it without us is not asked; a static view of what it has now is what can be told.
      enableDhcp: false,
      ip: ipv4?.address ?? '',
      netmask: ipv4?.netmask ?? '',
      gateway: '',
      dns: [],
    };
  }

  /** @throws HOST_REFUSED where systemd-networkd does not run, HOST_COMMAND_FAILED */
  async set(name: string, settings: EthernetSettings): Promise<void> {
    await this.#needNetworkd();
    const before = await readOptional(this.#path(name));
    // An empty file stands for "there was none".
    await writeFileAtomic(this.#backup(name), before ?? '');
    await mkdir(this.#folder, { recursive: true });
    await writeFileAtomic(this.#path(name), networkFile(name, settings), 0o644);
    try {
      await this.#reload(name);
    } catch (error) {
      // Whoever asked is told that it failed: then it must not come true at the next boot.
      await this.revert(name).catch(() => undefined);
      throw error;
    }
  }

  /** The file as it was before the last {@link set}. */
  async revert(name: string): Promise<void> {
    const before = await readOptional(this.#backup(name));
    if (before === undefined) return;
    if (before === '') await rm(this.#path(name), { force: true });
    else await writeFileAtomic(this.#path(name), before, 0o644);
    await this.#reload(name);
    await rm(this.#backup(name), { force: true });
  }

  get #folder(): string {
    return this.#options.folder ?? '/etc/systemd/network';
  }

  #path(name: string): string {
    return join(this.#folder, `05-tpe-${name}.network`);
  }

  #backup(name: string): string {
    return join(this.#options.stateFolder, `before-${name}.network`);
  }

  async #needNetworkd(): Promise<void> {
    await this.#options
      .run('systemctl', ['is-active', 'systemd-networkd.service'])
      .catch((cause: unknown) => {
        throw new TpeError(
          'HOST_REFUSED',
          { reason: 'systemd-networkd does not manage this system' },
          { cause },
        );
      });
  }

  async #reload(name: string): Promise<void> {
    await this.#options.run('networkctl', ['reload']);
    await this.#options.run('networkctl', ['reconfigure', name]);
  }
}
