import { type RemoteInfo, type Socket, createSocket } from 'node:dgram';
import { reasonOf } from '../../common/errors/tpe-error';
import { type Answer, decodeAnswer, encodeProbe } from '../../protocol/discovery';
import type { Gateway } from '../device';
import { pause } from '../pause';
import { Ways } from './ways';
import type { Target } from './targets';

export interface ScanOptions {
  readonly targets: readonly Target[];
  /** How long answers are collected, in milliseconds. */
  readonly durationMs: number;
  /** Probes a target, spread over the first half of the duration. */
  readonly rounds?: number;
  readonly signal?: AbortSignal;
  /** Called once for every gateway, in the order of answers. */
  readonly onFound?: (gateway: Gateway) => void;
  /** Called for every target that a probe could not be sent to. */
  readonly onProblem?: (target: Target, reason: string) => void;
}

/** No plant has more; what comes on top is a flood. */
const MOST_GATEWAYS = 20_000;
/** Twenty boxes may share a factory address; hundreds do not. */
const MOST_GATEWAYS_A_SOURCE = 64;
/** Each of those may answer several rounds of probes over two ways. */
const MOST_DATAGRAMS_A_SOURCE = 16 * MOST_GATEWAYS_A_SOURCE;
/** Datagrams between two pauses: a sweep in one burst overruns the neighbour table and its own socket buffer. */
const BURST = 64;
/** After the last named gateway has answered: time for a second answer that contradicts the first. */
const GRACE_MS = 250;
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

function gatewayOf(answer: Answer, source: RemoteInfo): Gateway {
  const { deviceId, serialNumber, mac, modelName, firmwareVersion, port, apiBase, keySha256 } = answer;
  // The source address is where an answer really came from and the way back works; a forged or translated
  // `address` field must not send a login elsewhere.
  return {
    deviceId,
    serialNumber,
    mac,
    modelName,
    firmwareVersion,
    address: source.address,
    port,
    apiBase,
    keySha256,
  };
}

/** Sends probes and collects answers to them. A gateway that is reached over several ways is reported once. */
export class Scan {
  readonly #options: ScanOptions;
  readonly #nonces = new Set<string>();
  readonly #found = new Map<string, Gateway>();
  readonly #ways = new Ways();
  readonly #perSource = new Map<string, number>();
  readonly #datagrams = new Map<string, number>();
  readonly #sockets = new Map<string, Promise<Socket>>();
  readonly #unanswered: Set<string> | undefined;
  readonly #complete = new AbortController();
  #dropped = 0;

  constructor(options: ScanOptions) {
    this.#options = options;
    const single = options.targets.every(({ family, broadcast }) => family === 4 && broadcast !== true);
    this.#unanswered = single
      ? new Set(options.targets.map(({ address, port }) => `${address} ${port}`))
      : undefined;
  }

  /** Answers that were thrown away because a source or the whole scan was over its bound. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Runs until the duration is over, the signal aborts, or every one of the single addresses has answered. */
  async run(): Promise<Gateway[]> {
    const { durationMs } = this.#options;
    const signal = AbortSignal.any([
      this.#complete.signal,
      ...(this.#options.signal ? [this.#options.signal] : []),
    ]);
    const rounds = this.#options.rounds ?? 3;
    try {
      const end = performance.now() + durationMs;
      for (let round = 0; round < rounds && !signal.aborted; round += 1) {
        await this.#probeAll(round);
        await pause(Math.max(0, Math.min(durationMs / 2 / rounds, end - performance.now())), signal);
      }
      await pause(Math.max(0, end - performance.now()), signal);
      if (this.#complete.signal.aborted) await pause(GRACE_MS, this.#options.signal);
    } finally {
      for (const socket of this.#sockets.values()) {
        socket.then(
          (open) => open.close(),
          () => undefined,
        );
      }
    }
    return [...this.#found].map(([identity, gateway]) => this.#ways.best(identity, gateway));
  }

  async #probeAll(round: number): Promise<void> {
    let sent = 0;
    for (const target of this.#options.targets) {
      if (this.#options.signal?.aborted === true) return;
      try {
        const socket = await this.#socketFor(target);
        const { nonce, datagram } = encodeProbe();
        this.#nonces.add(nonce);
        await new Promise<void>((resolve, reject) => {
          socket.send(datagram, target.port, target.address, (error) => (error ? reject(error) : resolve()));
        });
      } catch (error) {
        if (round === 0) this.#options.onProblem?.(target, reasonOf(error));
      }
      sent += 1;
      if (sent % BURST === 0) await pause(10, this.#options.signal);
    }
  }

  #socketFor(target: Target): Promise<Socket> {
    const key = `${target.family} ${target.from ?? ''}`;
    const known = this.#sockets.get(key);
    if (known !== undefined) return known;
    const opening = this.#open(target);
    this.#sockets.set(key, opening);
    return opening;
  }

  async #open(target: Target): Promise<Socket> {
    const socket = createSocket({
      type: target.family === 4 ? 'udp4' : 'udp6',
      recvBufferSize: RECEIVE_BUFFER_BYTES,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ port: 0, ...(target.from === undefined ? {} : { address: target.from }) }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    socket.on('error', (error) => this.#options.onProblem?.(target, reasonOf(error)));
    socket.on('message', (datagram, source) => this.#receive(datagram, source));
    if (target.family === 4) socket.setBroadcast(true);
    return socket;
  }

  #receive(datagram: Buffer, source: RemoteInfo): void {
    // Before it is read: a flood must not take the time that the others' answers need.
    const datagrams = (this.#datagrams.get(source.address) ?? 0) + 1;
    // More sources are forged ones, each good for a few only.
    if (datagrams > 1 || this.#datagrams.size < MOST_GATEWAYS) this.#datagrams.set(source.address, datagrams);
    if (datagrams > MOST_DATAGRAMS_A_SOURCE) {
      this.#dropped += 1;
      return;
    }
    const answer = decodeAnswer(datagram);
    // Only an answer to a probe of this scan counts: what is replayed or blindly sent does not know the nonce.
    if (answer === undefined || !this.#nonces.has(answer.nonce)) return;
    // With the key: a forged answer that borrows a device id must not hide the gateway that really has it.
    const identity = `${answer.deviceId} ${answer.keySha256}`;
    if (this.#found.has(identity)) {
      this.#ways.add(identity, source.address);
      return;
    }
    const fromSource = this.#perSource.get(source.address) ?? 0;
    if (fromSource >= MOST_GATEWAYS_A_SOURCE || this.#found.size >= MOST_GATEWAYS) {
      this.#dropped += 1;
      return;
    }
    this.#perSource.set(source.address, fromSource + 1);
    const gateway = gatewayOf(answer, source);
    this.#found.set(identity, gateway);
    this.#ways.add(identity, source.address);
    this.#options.onFound?.(gateway);
    if (
      this.#unanswered?.delete(`${source.address} ${source.port}`) === true &&
      this.#unanswered.size === 0
    ) {
      this.#complete.abort();
    }
  }
}
