import { mkdir, readdir, rm } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Clock, Timer } from '../../../common/clock';
import { TpeError, codeOf, toTpeError } from '../../../common/errors/tpe-error';
import { syncFolder, writeFileAtomic } from '../../../common/fs/atomic-write';
import { readOptional } from '../../../common/fs/read-optional';
import type { Logger } from '../../../common/logger';
import { type EthernetPort, listEthernets } from '../../device/ethernets';
import { ethernetProblem } from '../ethernet-rules';
import { type AnswerOf, CONFIRM_WITHIN_MS, type EthernetSettings } from '../helper-protocol';
import { leasedAddress } from './lease';
import { networkFile, parseNetworkFile } from './network-file';
import type { Runner } from './runner';

export interface NetworkOptions {
  readonly stateFolder: string;
  readonly run: Runner;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Folder of systemd-networkd's files. */
  readonly folder?: string | undefined;
  /** Seams for tests. */
  readonly ports?: (() => readonly Pick<EthernetPort, 'name' | 'addresses'>[]) | undefined;
  readonly leased?: ((name: string) => Promise<string | undefined>) | undefined;
}

/** Between two tries to take a change back that systemd-networkd refuses to. */
const RETRY_MS = 60_000;

const UNCONFIRMED = /^unconfirmed-(.+)\.network$/;

/**
 * Addresses of ports through systemd-networkd. A wrong one would cut off whoever sent it, so each change is taken back
 * unless it is confirmed in time. That is remembered on disk, here: neither the end of the agent nor a power cut makes
 * an unconfirmed address stay.
 */
export class Network {
  readonly #options: NetworkOptions;
  readonly #timers = new Map<string, Timer>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Takes back what was unconfirmed when the helper, or the gateway, ended. */
  async start(): Promise<void> {
    await this.#inTurn(async () => {
      for (const name of await this.#unconfirmed()) await this.#takeBack(name, 'nobody confirmed it in time');
    });
  }

  async get(name: string): Promise<AnswerOf<'getEthernet'>> {
    const [own, before] = await Promise.all([this.#path(name), this.#before(name)].map(readOptional));
    const unconfirmed = before !== undefined;
    if (own !== undefined) return { ...parseNetworkFile(own), unconfirmed };
    const ipv4 = networkInterfaces()[name]?.find(({ family }) => family === 'IPv4');
    return {
      enable: true,
      // Whoever configured it without us is not asked; a static view of what it has now is what can be told.
      enableDhcp: false,
      ip: ipv4?.address ?? '',
      netmask: ipv4?.netmask ?? '',
      gateway: '',
      dns: [],
      unconfirmed,
    };
  }

  /**
   * Applies settings until they are confirmed, or taken back.
   * @throws HOST_REFUSED for settings that are none, for what is no Ethernet port, while another change of the port is
   *   unconfirmed, and where systemd-networkd does not run; HOST_COMMAND_FAILED
   */
  async set(name: string, settings: EthernetSettings): Promise<void> {
    const problem = ethernetProblem(settings);
    if (problem !== undefined) throw new TpeError('HOST_REFUSED', { reason: problem });
    if (this.#port(name) === undefined) {
      throw new TpeError('HOST_REFUSED', { reason: `${name} is no Ethernet port of this gateway` });
    }
    await this.#inTurn(async () => {
      if ((await readOptional(this.#before(name))) !== undefined) {
        throw new TpeError('HOST_REFUSED', { reason: 'a change of addresses waits for its confirmation' });
      }
      if (!(await this.#networkdRuns())) {
        throw new TpeError('HOST_REFUSED', { reason: 'systemd-networkd does not manage this system' });
      }
      // Before the change itself. An empty file stands for "there was none".
      await writeFileAtomic(this.#before(name), (await readOptional(this.#path(name))) ?? '');
      try {
        await mkdir(this.#folder, { recursive: true });
        await writeFileAtomic(this.#path(name), networkFile(name, settings), 0o644);
        await this.#reload(name);
      } catch (error) {
        // Whoever asked is told that it failed: then it must not come true at the next boot.
        await this.#takeBack(name, 'it could not be applied');
        throw error;
      }
      this.#takeBackAfter(name, CONFIRM_WITHIN_MS);
    });
  }

  /**
   * Keeps the changes that a login on this address of ours proves to work.
   * @param except ports whose changes are younger than the connection of that login.
   */
  async confirm(address: string, except: readonly string[] = []): Promise<AnswerOf<'confirmEthernet'>> {
    return this.#inTurn(async () => {
      let waiting = 0;
      for (const name of await this.#unconfirmed()) {
        if (!except.includes(name) && (await this.#proves(name, address))) await this.#settle(name);
        else waiting += 1;
      }
      return { waiting };
    });
  }

  /**
   * Whether a login on `address` proves that the new settings of a port work. The port has to have the address now, and
   * by these settings: one that the kernel still holds from before them proves nothing, until DHCP gives the same again.
   */
  async #proves(name: string, address: string): Promise<boolean> {
    const settings = parseNetworkFile((await readOptional(this.#path(name))) ?? '');
    const has = this.#port(name)?.addresses.includes(address) ?? false;
    // A port that is off has no address to log in on: one of another port has to do.
    if (!settings.enable) return !has && !/^(127\.|::1$)/.test(address);
    const { leased = leasedAddress } = this.#options;
    return has && address === (settings.enableDhcp ? await leased(name) : settings.ip);
  }

  /** Never rejects: it runs from a timer, too. */
  async #takeBack(name: string, why: string): Promise<void> {
    try {
      const before = (await readOptional(this.#before(name))) ?? '';
      if (before === '') await this.#removeFile(name);
      else await writeFileAtomic(this.#path(name), before, 0o644);
      // One that does not run reads the file when it starts.
      if (await this.#networkdRuns()) await this.#reload(name);
      await this.#settle(name);
      this.#options.logger.warn({ interface: name, why }, 'a change of addresses was taken back');
    } catch (error) {
      this.#options.logger.error({ err: toTpeError(error) }, 'a change of addresses could not be taken back');
      this.#takeBackAfter(name, RETRY_MS);
    }
  }

  /** On the disk before what remembers it goes: the folders may lie on two file systems, which keep no order. */
  async #removeFile(name: string): Promise<void> {
    try {
      await rm(this.#path(name), { force: true });
      await syncFolder(this.#folder);
    } catch (error) {
      // The folder could not be made in the first place.
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }

  #takeBackAfter(name: string, delayMs: number): void {
    this.#timers.get(name)?.cancel();
    this.#timers.set(
      name,
      this.#options.clock.after(delayMs, () => {
        void this.#inTurn(async () => this.#takeBack(name, 'nobody confirmed it in time'));
      }),
    );
  }

  /** Nothing of this port waits any more, also after a power cut in the next instant. */
  async #settle(name: string): Promise<void> {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
    await rm(this.#before(name), { force: true });
    await syncFolder(this.#options.stateFolder);
  }

  async #unconfirmed(): Promise<string[]> {
    const names = await readdir(this.#options.stateFolder);
    return names.flatMap((name) => UNCONFIRMED.exec(name)?.[1] ?? []);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #port(name: string): Pick<EthernetPort, 'addresses'> | undefined {
    return (this.#options.ports ?? listEthernets)().find((port) => port.name === name);
  }

  get #folder(): string {
    return this.#options.folder ?? '/etc/systemd/network';
  }

  #path(name: string): string {
    return join(this.#folder, `05-tpe-${name}.network`);
  }

  /** The file as it was before a change that nobody has confirmed; there while one waits. */
  #before(name: string): string {
    return join(this.#options.stateFolder, `unconfirmed-${name}.network`);
  }

  async #networkdRuns(): Promise<boolean> {
    return this.#options.run('systemctl', ['is-active', 'systemd-networkd.service']).then(
      () => true,
      () => false,
    );
  }

  async #reload(name: string): Promise<void> {
    await this.#options.run('networkctl', ['reload']);
    await this.#options.run('networkctl', ['reconfigure', name]);
  }
}
