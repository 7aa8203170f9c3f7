import { type Server, type Socket, createServer } from 'node:net';
import { TpeError, toTpeError } from '../../../common/errors/tpe-error';
import type { Logger } from '../../../common/logger';
import { validate } from '../../../common/validate';
import { type HelperReply, HelperRequest, LARGEST_LINE_BYTES } from '../helper-protocol';

/** Carries a checked request out. */
export type HelperHandler = (request: HelperRequest) => Promise<object>;

const IDLE_MS = 10_000;
const LARGEST_CONNECTIONS = 16;

/**
 * The root helper's socket. Requests are checked here again: the agent that sends them is the part that the network
 * can reach, so it is not believed. They are carried out one after the other.
 */
export class HelperServer {
  readonly #server: Server;
  readonly #handle: HelperHandler;
  readonly #logger: Logger;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(handle: HelperHandler, logger: Logger) {
    this.#handle = handle;
    this.#logger = logger;
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = LARGEST_CONNECTIONS;
  }

  /** @param where a descriptor that systemd handed over, or a path. */
  async listen(where: { readonly fd: number } | { readonly path: string }): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(where, resolve);
    });
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    let text = '';
    let asked = false;
    socket.setTimeout(IDLE_MS, () => !asked && socket.destroy());
    socket.setEncoding('utf8');
    socket.on('error', (error) => this.#logger.debug({ err: error }, 'a client of the helper went away'));
    socket.on('data', (chunk: string) => {
      if (asked) return;
      text += chunk;
      if (text.length > LARGEST_LINE_BYTES) socket.destroy();
      const end = text.indexOf('\n');
      if (end < 0) return;
      asked = true;
      void this.#answer(text.slice(0, end)).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
    });
  }

  /** Never rejects: an error is an answer. */
  async #answer(line: string): Promise<HelperReply> {
    try {
      const request = validate(HelperRequest, parse(line), 'the request');
      const turn = this.#turn.then(async () => this.#handle(request));
      this.#turn = turn.catch(() => undefined);
      const value = await turn;
      if (!request.verb.startsWith('get') && request.verb !== 'services') {
        this.#logger.info({ request }, 'done');
      }
      return { ok: true, value };
    } catch (error) {
      const { code, message, details } = toTpeError(error);
      this.#logger.warn({ code, reason: message }, 'refused');
      // The client tells it in a sentence of its own.
      const reason = code === 'HOST_REFUSED' ? String(details['reason']) : message;
      return { ok: false, code, reason: reason.slice(0, 4096) };
    }
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new TpeError('VALUE_INVALID', { what: 'the request', place: '/', reason: 'not JSON' }, { cause });
  }
}
