import type { RemoteInfo } from 'node:dgram';
import type { Clock, Timer } from '../../common/clock';
import { toTpeError } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { type Answer, decodeProbe, encodeAnswer } from '../../protocol/discovery';
import { API_BASE } from '../../protocol/api-types';
import type { DeviceIdentity, NetworkInterface } from '../device/types';
import { OnLink } from './on-link';
import { type BoundSocket, discoveryInterfaces, openInterfaceSocket, openPlainSocket } from './sockets';
import { RateLimiter, type RateLimits } from './token-bucket';

export const DEFAULT_RATE_LIMITS: RateLimits = {
  perSource: { perSecond: 10, burst: 20 },
  total: { perSecond: 100, burst: 200 },
  largestTable: 1024,
};

export interface ResponderOptions {
  readonly identity: DeviceIdentity;
  /** UDP port; 0 picks a free one. */
  readonly port: number;
  /** One socket on this address instead of one on every LAN interface. */
  readonly address?: string | undefined;
  /** Answer on these interfaces only. */
  readonly only?: readonly string[] | undefined;
  /** Port of the REST API and base64 SHA-256 of the TLS key, as they are at the time of the answer. */
  readonly endpoint: () => { readonly port: number; readonly keySha256: string };
  readonly interfaces: () => NetworkInterface[];
  readonly limits?: RateLimits;
  /** Answers wait for a random time up to this, so that a plant full of gateways does not answer at once. */
  readonly longestDelayMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Counters for metrics. */
export interface ResponderCounters {
  received: number;
  answered: number;
  invalid: number;
  limited: number;
}

const DEFAULT_LONGEST_DELAY_MS = 150;

/** Cables are plugged and addresses change while the agent runs. */
const RESCAN_MS = 15_000;

const LIMITED_BROADCAST = '255.255.255.255';

/** Answers discovery probes on UDP. An answer is never larger than its probe; unicast goes to on-link senders only. */
export class DiscoveryResponder {
  readonly counters: ResponderCounters = { received: 0, answered: 0, invalid: 0, limited: 0 };
  readonly #options: ResponderOptions;
  readonly #onLink: OnLink;
  readonly #limiter: RateLimiter;
  readonly #sockets = new Map<string, BoundSocket>();
  readonly #unusable = new Set<string>();
  readonly #delayed = new Set<Timer>();
  #rescan: Timer | undefined;
  #starting: { readonly stops: number; readonly opened: Promise<void> } | undefined;
  #known: NetworkInterface[] = [];
  #port: number | undefined;
  /** How often it was stopped: what was being opened meanwhile is closed again. */
  #stops = 0;

  constructor(options: ResponderOptions) {
    this.#options = options;
    this.#onLink = new OnLink(() => this.#interfaces());
    this.#limiter = new RateLimiter(options.limits ?? DEFAULT_RATE_LIMITS, options.clock.monotonic());
  }

  get running(): boolean {
    return this.#sockets.size > 0;
  }

  /** The port that is bound; `undefined` while stopped. */
  get port(): number | undefined {
    return this.running ? this.#port : undefined;
  }

  /** Starts once, however many ask for it at the same time. @throws DISCOVERY_PORT_UNUSABLE */
  async start(): Promise<void> {
    const stops = this.#stops;
    if (this.#starting?.stops === stops) return this.#starting.opened;
    if (this.running) return;
    const starting = { stops, opened: this.#open(stops) };
    this.#starting = starting;
    try {
      await starting.opened;
    } finally {
      if (this.#starting === starting) this.#starting = undefined;
    }
  }

  async stop(): Promise<void> {
    this.#stops += 1;
    this.#rescan?.cancel();
    this.#rescan = undefined;
    for (const timer of this.#delayed) timer.cancel();
    this.#delayed.clear();
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(
      sockets.map(async ({ socket }) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }

  async #open(stops: number): Promise<void> {
    this.#port = this.#options.port;
    try {
      if (this.#options.address === undefined) await this.#openAll(stops);
      else this.#add('all', await openPlainSocket(this.#port, this.#options.address), stops);
    } catch (error) {
      // Whoever stopped it meanwhile may have started it anew.
      if (stops === this.#stops) await this.stop();
      throw error;
    }
  }

  /** One socket on every LAN interface and family; one for everything where the kernel does not allow that. */
  async #openAll(stops: number): Promise<void> {
    const first = await openInterfaceSocket('lo', 4, this.#options.port);
    if (first === undefined) {
      this.#options.logger.warn('the kernel binds no socket to an interface: one hears all of them');
      this.#add('all', await openPlainSocket(this.#options.port, undefined), stops);
      return;
    }
    this.#port = first.socket.address().port;
    this.#add('lo/4', first, stops);
    await this.#scan(stops);
  }

  async #scan(stops: number): Promise<void> {
    if (stops !== this.#stops) return;
    const { clock, only } = this.#options;
    const names = discoveryInterfaces(
      this.#interfaces().map(({ name }) => name),
      only,
    );
    const wanted = names.flatMap((name) => [`${name}/4`, `${name}/6`]);
    for (const [key, { socket }] of this.#sockets) {
      if (wanted.includes(key)) continue;
      this.#sockets.delete(key);
      socket.close();
    }
    for (const key of wanted) {
      if (!this.#sockets.has(key)) await this.#openOne(key, stops);
      if (stops !== this.#stops) return;
    }
    this.#rescan = clock.after(RESCAN_MS, () => void this.#scan(stops));
  }

  /** The interfaces, or the last ones that the kernel told: it refuses while the process has no descriptor left. */
  #interfaces(): NetworkInterface[] {
    try {
      this.#known = this.#options.interfaces();
    } catch (error) {
      this.#options.logger.warn({ err: toTpeError(error) }, 'the interfaces cannot be listed');
    }
    return this.#known;
  }

  /** An interface that cannot be used is told once and tried again at every scan. */
  async #openOne(key: string, stops: number): Promise<void> {
    const [name = '', family] = key.split('/');
    try {
      const opened = await openInterfaceSocket(name, family === '6' ? 6 : 4, this.#port ?? 0);
      this.#unusable.delete(key);
      if (opened !== undefined) this.#add(key, opened, stops);
    } catch (error) {
      const { code, message } = toTpeError(error);
      if (!this.#unusable.has(key))
        this.#options.logger.info({ code, socket: key, reason: message }, 'not usable');
      this.#unusable.add(key);
    }
  }

  #add(key: string, bound: BoundSocket, stops: number): void {
    if (stops !== this.#stops) {
      bound.socket.close();
      return;
    }
    bound.socket.on('error', (error) => this.#options.logger.warn({ err: error }, 'discovery socket'));
    bound.socket.on('message', (datagram, from) => this.#receive(bound, datagram, from));
    this.#port = bound.socket.address().port;
    this.#sockets.set(key, bound);
  }

  #receive(bound: BoundSocket, datagram: Buffer, from: RemoteInfo): void {
    this.counters.received += 1;
    const now = this.#options.clock.monotonic();
    // Before parsing: what is over the limit shall cost next to nothing.
    if (!this.#limiter.admits(from.address, now)) {
      this.counters.limited += 1;
      return;
    }
    const probe = decodeProbe(datagram);
    const { family, interfaceName } = bound;
    const onLink = this.#onLink.addressFor(from.address, family, interfaceName, now);
    const broadcast = probe?.reply === 'broadcast' && family === 4 && interfaceName !== undefined;
    const address = onLink ?? (broadcast ? this.#onLink.firstAddress(interfaceName, now) : undefined);
    if (probe === undefined || address === undefined || from.port === 0) {
      this.counters.invalid += 1;
      return;
    }
    const answer = encodeAnswer(this.#answer(probe.nonce, address));
    if (answer.length > datagram.length) {
      this.counters.invalid += 1;
      return;
    }
    const local = from.address === '127.0.0.1' || from.address === '::1';
    const target = broadcast && !local ? LIMITED_BROADCAST : from.address;
    this.#later(local, () => this.#send(bound, answer, from.port, target));
  }

  /** The token buckets bound how many answers can wait. */
  #later(atOnce: boolean, send: () => void): void {
    const longest = this.#options.longestDelayMs ?? DEFAULT_LONGEST_DELAY_MS;
    if (atOnce || longest === 0) {
      send();
      return;
    }
    const timer = this.#options.clock.after(Math.random() * longest, () => {
      this.#delayed.delete(timer);
      send();
    });
    this.#delayed.add(timer);
  }

  #send(bound: BoundSocket, answer: Buffer, port: number, address: string): void {
    // Its interface may have gone while the answer waited; a closed socket throws.
    if (![...this.#sockets.values()].includes(bound)) return;
    bound.socket.send(answer, port, address, (error) => {
      if (error === null) this.counters.answered += 1;
      else this.#options.logger.debug({ err: error }, 'a discovery answer could not be sent');
    });
  }

  #answer(nonce: string, address: string): Answer {
    const { identity, endpoint } = this.#options;
    const { port, keySha256 } = endpoint();
    return {
      tpe: 1,
      type: 'answer',
      nonce,
      deviceId: identity.deviceId,
      serialNumber: identity.serialNumber,
      mac: identity.mac,
      modelName: identity.modelName,
      firmwareVersion: identity.firmwareVersion,
      address,
      port,
      apiBase: API_BASE,
      keySha256,
    };
  }
}
