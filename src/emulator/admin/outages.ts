import type { AddressInfo, Server } from 'node:net';

export type Part = 'dps' | 'hub';

/** Takes a listening port away and gives it back, as a host that is down and comes up again. */
export class Outages {
  readonly #down = new Map<Part, AddressInfo>();

  /** @param dropAll ends the connections that are open. */
  constructor(private readonly parts: Record<Part, { server: Server; dropAll: () => void }>) {}

  listening(part: Part): boolean {
    return !this.#down.has(part);
  }

  async set(part: Part, listening: boolean): Promise<void> {
    const { server, dropAll } = this.parts[part];
    const address = this.#down.get(part);
    if (!listening && address === undefined) {
      this.#down.set(part, server.address() as AddressInfo);
      // Not awaited: close() waits for connections that hang in the middle of a handshake.
      server.close();
      dropAll();
    } else if (listening && address !== undefined) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(address.port, address.address, () => {
          server.off('error', reject);
          resolve();
        });
      });
      this.#down.delete(part);
    }
  }
}
