import { type TLSSocket, connect } from 'node:tls';

/** One TLS connection on which a test writes HTTP by hand, as an attacker would. */
export class RawHttps {
  readonly #socket: TLSSocket;
  #text = '';
  #closed = false;
  #changed: () => void = () => undefined;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      this.#text += chunk;
      this.#changed();
    });
    // What becomes of the connection is what the test looks at.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#changed();
    });
  }

  static async open(port: number): Promise<RawHttps> {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    const raw = new RawHttps(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('close', () => reject(new Error('closed before the handshake')));
    });
    return raw;
  }

  get socket(): TLSSocket {
    return this.#socket;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  /** Writes, and reads one whole answer; `undefined` when the connection ends without one. */
  async ask(text: string): Promise<{ status: number; head: string; body: string } | undefined> {
    this.write(text);
    return this.next();
  }

  async next(): Promise<{ status: number; head: string; body: string } | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\r\n\r\n');
      const head = this.#text.slice(0, Math.max(0, end));
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      const whole = end + 4 + length;
      if (end >= 0 && this.#text.length >= whole) {
        const body = this.#text.slice(end + 4, whole);
        this.#text = this.#text.slice(whole);
        return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body };
      }
      if (this.#closed) return undefined;
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Text of a request; a body gets its length. */
export function requestText(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): string {
  const lines = Object.entries({
    Host: 'gateway',
    ...(body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
    ...headers,
  });
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}
