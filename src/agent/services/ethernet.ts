import { TpeError, isTpeError, toTpeError } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { plainAddress } from '../../common/plain-address';
import { type EthernetPort, listEthernets } from '../device/ethernets';
import { macWithColons } from '../device/interfaces';
import { ethernetProblem } from './ethernet-rules';
import type { HostControl } from './helper-client';
import type { EthernetSettings } from './helper-protocol';

export interface EthernetOptions {
  readonly host: HostControl;
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
  /** The change waits for a login on the new address. */
  readonly unconfirmed?: boolean;
}

export type EthernetChange = Partial<EthernetSettings>;

/** A login does not wait longer for the helper, which may be busy; what it was asked for happens all the same. */
const CONFIRM_TIMEOUT_MS = 5000;

/**
 * Changes interface addresses. A wrong address would cut off whoever sent it: the root helper takes every change back
 * unless a login on the new address, over a new connection, confirms it within a minute.
 */
export class Ethernets {
  readonly #options: EthernetOptions;
  /** A change may wait for its confirmation. After a start of the agent only the helper knows. */
  #mayWait = true;
  /** Steps of changes, their beginnings and ends. */
  #steps = 0;
  /** The last step of each port, by name: what is from before it knows nothing of the change. */
  readonly #changedIn = new Map<string, number>();
  /** The step in which a connection was made. */
  readonly #madeIn = new WeakMap<object, number>();

  constructor(options: EthernetOptions) {
    this.#options = options;
  }

  async list(): Promise<EthernetView[]> {
    const ports = (this.#options.ports ?? listEthernets)();
    return Promise.all(ports.map(async (port) => this.#view(port)));
  }

  /** @throws API_NOT_FOUND, API_INPUT_INVALID, API_CONFLICT while another change of it is unconfirmed, HOST_* */
  async change(id: number, change: EthernetChange): Promise<EthernetView> {
    const port = (this.#options.ports ?? listEthernets)().find((each) => each.id === id);
    if (port === undefined) throw new TpeError('API_NOT_FOUND', { what: 'ethernet' });
    const { host } = this.#options;
    const { unconfirmed, ...before } = await host.request({ verb: 'getEthernet', name: port.name });
    if (unconfirmed) {
      throw new TpeError('API_CONFLICT', { reason: 'a change of addresses waits for its confirmation' });
    }
    const settings = { ...before, ...change };
    const problem = ethernetProblem(settings);
    if (problem !== undefined) throw new TpeError('API_INPUT_INVALID', { reason: problem });
    this.#step(port.name);
    try {
      await host.request({ verb: 'setEthernet', name: port.name, settings });
    } finally {
      this.#step(port.name);
    }
    return { ...(await this.#view(port)), ...settings };
  }

  /** A client has connected. */
  connected(connection: object): void {
    this.#madeIn.set(connection, this.#steps);
  }

  /**
   * Somebody logged in over this connection. One from before a change proves nothing of it: what the client sends may
   * still arrive where no answer finds the way back. Never rejects: the login counts, the change may be taken back.
   */
  async confirm(connection: { readonly localAddress?: string | undefined }): Promise<void> {
    if (!this.#mayWait) return;
    const { host, logger } = this.#options;
    const steps = this.#steps;
    const madeIn = this.#madeIn.get(connection) ?? steps;
    const except = [...this.#changedIn].filter(([, step]) => step > madeIn).map(([name]) => name);
    try {
      const address = plainAddress(connection.localAddress ?? '');
      const request = { verb: 'confirmEthernet', address, ...(except.length > 0 ? { except } : {}) } as const;
      const { waiting } = await host.request(request, CONFIRM_TIMEOUT_MS);
      if (steps === this.#steps) this.#mayWait = waiting > 0;
    } catch (error) {
      if (isTpeError(error, 'HOST_HELPER_ABSENT')) this.#mayWait = false;
      else logger.error({ err: toTpeError(error) }, 'a change of addresses could not be confirmed');
    }
  }

  #step(name: string): void {
    this.#mayWait = true;
    this.#steps += 1;
    this.#changedIn.set(name, this.#steps);
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
      ...(settings?.unconfirmed === true ? { unconfirmed: true } : {}),
    };
  }
}
