import { chmod, mkdir, rm } from 'node:fs/promises';
import { type Server, type Socket, createConnection, createServer } from 'node:net';
import { dirname } from 'node:path';
import { TpeError, codeOf, reasonOf, toTpeError } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { validate } from '../../common/validate';
import {
  type ControlAnswer,
  ControlRequest,
  type ControlVerb,
  LARGEST_REQUEST_BYTES,
} from './control-protocol';
import { readLine } from './line-reader';
import { systemAddon } from './native';

/** Does one verb; what it returns goes out as JSON. */
export type ControlHandler = (args: Readonly<Record<string, unknown>>) => Promise<unknown>;
export type ControlHandlers = Readonly<Partial<Record<ControlVerb, ControlHandler>>>;

const MOST_CONNECTIONS = 8;
const REQUEST_TIMEOUT_MS = 10_000;

/** sun_path of unix(7) holds 107 bytes and a NUL. */
const LONGEST_SOCKET_PATH = 107;

/**
 * The socket that tpe-agentctl talks to: one line of JSON in, one line out, then closed. Only root and the agent's own
 * user get through: by the file's mode, and by the peer's credentials in case somebody widened the mode.
 */
export class ControlServer {
  readonly #path: string;
  readonly #handlers: ControlHandlers;
  readonly #logger: Logger;
  readonly #connections = new Set<Socket>();
  #server: Server | undefined;

  constructor(path: string, handlers: ControlHandlers, logger: Logger) {
    this.#path = path;
    this.#handlers = handlers;
    this.#logger = logger;
  }

  /**
   * Listens. The caller holds the lock on the state, so a socket file that nobody answers on is a leftover.
   * @throws CONTROL_LISTEN_FAILED
   */
  async start(): Promise<void> {
    if (Buffer.byteLength(this.#path) > LONGEST_SOCKET_PATH) {
      throw new TpeError('CONTROL_LISTEN_FAILED', {
        path: this.#path,
        reason: `a socket's path has at most ${LONGEST_SOCKET_PATH} bytes`,
      });
    }
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      if (await answers(this.#path)) throw new Error('another process listens there');
      await rm(this.#path, { force: true });
      const server = createServer((socket) => void this.#serve(socket));
      server.maxConnections = MOST_CONNECTIONS;
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(this.#path, resolve);
      });
      this.#server = server;
      await chmod(this.#path, 0o600);
    } catch (error) {
      await this.stop();
      throw new TpeError(
        'CONTROL_LISTEN_FAILED',
        { path: this.#path, reason: reasonOf(error) },
        { cause: error },
      );
    }
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  async #serve(socket: Socket): Promise<void> {
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    // A client that goes away early loses its answer, nothing more.
    socket.on('error', () => undefined);
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => socket.destroy());
    const answer = await this.#answer(socket);
    if (answer !== undefined && !socket.destroyed) socket.end(`${JSON.stringify(answer)}\n`);
    else socket.destroy();
  }

  async #answer(socket: Socket): Promise<ControlAnswer | undefined> {
    try {
      this.#checkPeer(socket);
      const line = await readLine(socket, LARGEST_REQUEST_BYTES);
      if (line === undefined) throw new TpeError('CONTROL_REQUEST_INVALID', { reason: 'no complete line' });
      // The work takes as long as it takes; only waiting for the request has a limit.
      socket.setTimeout(0);
      const request = parseRequest(line);
      const handler = this.#handlers[request.verb];
      if (handler === undefined)
        throw new TpeError('CONTROL_REQUEST_INVALID', { reason: `no ${request.verb}` });
      return { ok: true, data: (await handler(request.args ?? {})) ?? null };
    } catch (error) {
      const failure = toTpeError(error);
      if (failure.code === 'INTERNAL') this.#logger.error({ err: error }, 'a control request failed');
      return { ok: false, error: { ...failure.toJSON(), details: { ...failure.details } } };
    }
  }

  #checkPeer(socket: Socket): void {
    const handle = (socket as Socket & { _handle?: { fd?: number } })._handle;
    const uid = handle?.fd === undefined || handle.fd < 0 ? -1 : systemAddon().peerUid(handle.fd);
    if (uid !== 0 && uid !== process.geteuid?.()) {
      this.#logger.warn({ uid }, 'a control connection was refused');
      throw new TpeError('CONTROL_FORBIDDEN', { path: this.#path });
    }
  }
}

function parseRequest(line: string): ControlRequest {
  try {
    return validate(ControlRequest, JSON.parse(line), 'the request');
  } catch (error) {
    throw new TpeError('CONTROL_REQUEST_INVALID', { reason: reasonOf(error) }, { cause: error });
  }
}

async function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = codeOf(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK') resolve(false);
      else reject(error);
    });
  });
}
