import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import type { Clock, Timer } from '../../common/clock';
import { TpeError, toTpeError } from '../../common/errors/tpe-error';
import { StoredValue } from '../../common/fs/stored-value';
import type { Logger } from '../../common/logger';
import { macWithColons } from '../device/interfaces';
import { type EthernetPort, listEthernets } from '../device/ethernets';
import type { HostControl } from './helper-client';
import type { EthernetSettings } from './helper-protocol';

/** A change that nobody has confirmed yet, on disk so that a power cut does not make it permanent. */
const PendingChange = Type.Object({
  pending: Type.Optional(Type.Object({ name: Type.String({ maxLength: 15 }), ip: Type.String() })),
});

export interface EthernetOptions {
  readonly stateFolder: string;
  readonly host: HostControl;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A seam for tests. */
  readonly ports?: () => EthernetPort[];
}

/** One element of `/device/ethernets`. */
export interface EthernetView extends EthernetSettings {
  readonly id: number;
  readonly displayName: string;
  readonly name: string;
  readonly wan: boolean;
  readonly status: 'connected' | 'disconnected';
  readonly linkSpeed: number;
  readonly mac: string;
}

export type EthernetChange = Partial<EthernetSettings>;

const CONFIRM_WITHIN_MS = 60_000;

/** Refuses what the helper could apply and nobody could undo. */
function check(settings: EthernetSettings): void {
  const bad = (reason: string): never => {
    throw new TpeError('API_INPUT_INVALID', { reason });
  };
  if (settings.enableDhcp || !settings.enable) return;
  if (!isIPv4(settings.ip)) bad('ip: a static address is needed without DHCP');
  const mask = settings.netmask.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const inverse = 2 ** 32 - 1 - mask;
  if (!isIPv4(settings.netmask) || mask === 0 || (inverse & (inverse + 1)) !== 0)
    bad('netmask: not a netmask');
  if (settings.gateway !== '' && !isIPv4(settings.gateway)) bad('gateway: not an IPv4 address');
}

/**
 * Changes interface addresses. A wrong address would cut off whoever sent it, so every change is taken back unless a
 * login on the new address confirms it within a minute.
 */
export class Ethernets {
  readonly #options: EthernetOptions;
  readonly #stored: StoredValue<typeof PendingChange>;
  #timer: Timer | undefined;
  #rollingBack: Promise<void> = Promise.resolve();
  #stopped = false;

  private constructor(options: EthernetOptions, stored: StoredValue<typeof PendingChange>) {
    this.#options = options;
    this.#stored = stored;
  }

  /** Opens, and takes back a change that was pending when the agent ended. */
  static async open(options: EthernetOptions): Promise<Ethernets> {
    const stored = await StoredValue.open(join(options.stateFolder, 'ethernet.json'), PendingChange, {});
    const ethernets = new Ethernets(options, stored);
    if (stored.value.pending !== undefined) ethernets.#startRollBack();
    return ethernets;
  }

  /** Resolves when nothing writes to the state folder any more; what is unconfirmed is taken back at the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#rollingBack;
  }

  async list(): Promise<EthernetView[]> {
    const ports = (this.#options.ports ?? listEthernets)();
    return Promise.all(ports.map(async (port) => this.#view(port)));
  }

  /** @throws API_NOT_FOUND, API_INPUT_INVALID, API_CONFLICT while another change is unconfirmed, HOST_* */
  async change(id: number, change: EthernetChange): Promise<EthernetView> {
    const port = (this.#options.ports ?? listEthernets)().find((each) => each.id === id);
    if (port === undefined) throw new TpeError('API_NOT_FOUND', { what: 'ethernet' });
    if (this.#stored.value.pending !== undefined) {
      throw new TpeError('API_CONFLICT', { reason: 'a change of addresses waits for its confirmation' });
    }
    const before = await this.#options.host.request({ verb: 'getEthernet', name: port.name });
    const settings = { ...before, ...change };
    check(settings);
    const ip = settings.enableDhcp ? '' : settings.ip;
    await this.#stored.update(() => ({ pending: { name: port.name, ip } }));
    try {
      await this.#options.host.request({ verb: 'setEthernet', name: port.name, settings });
    } catch (error) {
      await this.#stored.update(() => ({}));
      throw error;
    }
    this.#armRollBack();
    return { ...(await this.#view(port)), ...settings };
  }

  /** Somebody logged in on this address of ours: if it is the new one, the change stays. */
  async confirm(localAddress: string): Promise<void> {
    const { pending } = this.#stored.value;
    if (pending === undefined) return;
    const address = localAddress.replace(/^::ffff:/, '');
    const port = (this.#options.ports ?? listEthernets)().find(({ name }) => name === pending.name);
    const fits = pending.ip === '' ? port?.addresses.includes(address) === true : pending.ip === address;
    if (!fits) return;
    this.#timer?.cancel();
    await this.#stored.update(() => ({}));
  }

  /** Takes the unconfirmed change back. Never rejects: it runs from a timer. */
  async #rollBack(): Promise<void> {
    const { pending } = this.#stored.value;
    if (pending === undefined) return;
    const { name } = pending;
    try {
      await this.#options.host.request({ verb: 'revertEthernet', name });
      await this.#stored.update(() => ({}));
      this.#options.logger.warn({ interface: name }, 'nobody confirmed the new address: the old one is back');
    } catch (error) {
      this.#options.logger.error(
        { err: toTpeError(error) },
        'an unconfirmed address could not be taken back',
      );
      this.#armRollBack();
    }
  }

  #armRollBack(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(CONFIRM_WITHIN_MS, () => this.#startRollBack());
  }

  #startRollBack(): void {
    this.#rollingBack = this.#rollBack();
  }

  async #view(port: EthernetPort): Promise<EthernetView> {
    const settings = await this.#options.host
      .request({ verb: 'getEthernet', name: port.name })
      // Without the helper the kernel's view is all there is.
      .catch(() => undefined);
    return {
      id: port.id,
      displayName: `LAN${port.id}`,
      name: port.name,
      wan: port.gateway !== '',
      enable: settings?.enable ?? port.up,
      status: port.carrier ? 'connected' : 'disconnected',
      enableDhcp: settings?.enableDhcp ?? false,
      linkSpeed: port.linkSpeed,
      ip: port.ip,
      netmask: port.netmask,
      gateway: port.gateway,
      dns: settings?.dns ?? [],
      mac: macWithColons(port.mac),
    };
  }
}
