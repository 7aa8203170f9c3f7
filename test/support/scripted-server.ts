import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** One answer of the scripted server; `hang` never answers, `cut` closes the socket. */
export type Answer =
  { status: number; headers?: Record<string, string>; body?: unknown; raw?: string } | 'hang' | 'cut';

/** An HTTPS server that answers request by request what a test tells it to: for bad answers that no service gives. */
export class ScriptedServer {
  readonly seen: Seen[] = [];
  readonly #server: Server;
  #answers: Answer[];

  private constructor(server: Server, answers: Answer[]) {
    this.#server = server;
    this.#answers = answers;
  }

  static async start(tls: { key: string; cert: string }, answers: Answer[]): Promise<ScriptedServer> {
    const server = createServer(tls);
    const scripted = new ScriptedServer(server, answers);
    server.on('request', (request, response) => {
      void readBody(request).then((text) => {
        scripted.seen.push({
          method: request.method ?? '',
          path: request.url ?? '',
          authorization: request.headers.authorization,
          body: text === '' ? undefined : JSON.parse(text),
        });
        const answer = scripted.#answers.shift() ?? 'cut';
        if (answer === 'hang') return;
        if (answer === 'cut') {
          request.socket.destroy();
          return;
        }
        response.writeHead(answer.status, answer.headers);
        response.end(answer.raw ?? JSON.stringify(answer.body ?? {}));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return scripted;
  }

  /** The answers from here on. */
  script(answers: readonly Answer[]): void {
    this.#answers = [...answers];
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
