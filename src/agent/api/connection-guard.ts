import type { Socket } from 'node:net';
import { plainAddress } from '../../common/plain-address';

export interface ConnectionLimits {
  /** Connections at once; more are closed unanswered. */
  readonly total: number;
  /** Connections at once from one address, so that one noisy neighbour leaves room for the others. */
  readonly perSource: number;
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = { total: 512, perSource: 64 };

interface Listening {
  on(event: 'connection', listener: (socket: Socket) => void): unknown;
}

/** Counts connections before the TLS handshake, which is the expensive part of one. */
export class ConnectionGuard {
  readonly #allows: (address: string | undefined) => boolean;
  readonly #limits: ConnectionLimits;
  readonly #bySource = new Map<string, number>();
  #open = 0;
  /** Connections closed unanswered, since the start. */
  refused = 0;

  constructor(allows: (address: string | undefined) => boolean, limits = DEFAULT_CONNECTION_LIMITS) {
    this.#allows = allows;
    this.#limits = limits;
  }

  get open(): number {
    return this.#open;
  }

  watch(server: Listening): void {
    server.on('connection', (socket) => this.#admit(socket));
  }

  #admit(socket: Socket): void {
    const source = plainAddress(socket.remoteAddress ?? '');
    const fromSource = this.#bySource.get(source) ?? 0;
    const full = this.#open >= this.#limits.total || fromSource >= this.#limits.perSource;
    if (full || !this.#allows(source)) {
      this.refused += 1;
      socket.destroy();
      return;
    }
    this.#open += 1;
    this.#bySource.set(source, fromSource + 1);
    socket.once('close', () => {
      this.#open -= 1;
      const left = (this.#bySource.get(source) ?? 1) - 1;
      if (left === 0) this.#bySource.delete(source);
      else this.#bySource.set(source, left);
    });
  }
}
