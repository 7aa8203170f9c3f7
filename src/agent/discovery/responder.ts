import { type RemoteInfo, type Socket, createSocket } from 'node:dgram';
import type { Clock } from '../../common/clock';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { type Answer, decodeProbe, encodeAnswer } from '../../protocol/discovery';
import { API_BASE } from '../../protocol/api-types';
import type { DeviceIdentity, NetworkInterface } from '../device/types';
import { OnLink } from './on-link';
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
  readonly address?: string | undefined;
  /** Port of the REST API and base64 SHA-256 of the TLS key, as they are at the time of the answer. */
  readonly endpoint: () => { readonly port: number; readonly keySha256: string };
  readonly interfaces: () => NetworkInterface[];
  readonly limits?: RateLimits;
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

/** Answers discovery probes on UDP. An answer is never larger than its probe and goes to on-link senders only. */
export class DiscoveryResponder {
  readonly counters: ResponderCounters = { received: 0, answered: 0, invalid: 0, limited: 0 };
  readonly #options: ResponderOptions;
  readonly #onLink: OnLink;
  readonly #limiter: RateLimiter;
  #socket: Socket | undefined;

  constructor(options: ResponderOptions) {
    this.#options = options;
    this.#onLink = new OnLink(options.interfaces);
    this.#limiter = new RateLimiter(options.limits ?? DEFAULT_RATE_LIMITS, options.clock.monotonic());
  }

  get running(): boolean {
    return this.#socket !== undefined;
  }

  /** The port that is bound; `undefined` while stopped. */
  get port(): number | undefined {
    return this.#socket?.address().port;
  }

  /** @throws DISCOVERY_PORT_UNUSABLE */
  async start(): Promise<void> {
    if (this.#socket !== undefined) return;
    const { address, port, logger } = this.#options;
    const socket = createSocket({ type: 'udp4', reuseAddr: false });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(new TpeError('DISCOVERY_PORT_UNUSABLE', { port, reason: reasonOf(error) }, { cause: error }));
      });
      socket.bind({ port, ...(address === undefined ? {} : { address }) }, () => {
        socket.removeAllListeners('error');
        resolve();
      });
    });
    socket.on('error', (error) => logger.warn({ err: error }, 'discovery socket'));
    socket.on('message', (datagram, from) => this.#receive(socket, datagram, from));
    this.#socket = socket;
  }

  async stop(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  #receive(socket: Socket, datagram: Buffer, from: RemoteInfo): void {
    this.counters.received += 1;
    const now = this.#options.clock.monotonic();
    // Before parsing: what is over the limit shall cost next to nothing.
    if (!this.#limiter.admits(from.address, now)) {
      this.counters.limited += 1;
      return;
    }
    const probe = decodeProbe(datagram);
    const address = this.#onLink.addressFor(from.address, from.family === 'IPv6' ? 6 : 4, now);
    if (probe === undefined || address === undefined || from.port === 0) {
      this.counters.invalid += 1;
      return;
    }
    const answer = encodeAnswer(this.#answer(probe.nonce, address));
    if (answer.length > datagram.length) {
      this.counters.invalid += 1;
      return;
    }
    socket.send(answer, from.port, from.address, (error) => {
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
