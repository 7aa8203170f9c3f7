import type { Gateway } from '../device';
import { GatewayClient } from '../gateway/client';
import type { Book } from '../journal/book';
import { decideKey } from '../trust/tls-key';
import type { Job } from './job';
import { type LoggedIn, login } from './login';

/** A pinned and logged-in connection to one gateway, opened when a stage first needs it. */
export class Session {
  readonly #job: Job;
  readonly #book: Book;
  readonly #gateway: Gateway;
  readonly #signal: AbortSignal | undefined;
  #client: GatewayClient | undefined;
  #login: LoggedIn | undefined;

  constructor(job: Job, book: Book, gateway: Gateway, signal?: AbortSignal) {
    this.#job = job;
    this.#book = book;
    this.#gateway = gateway;
    this.#signal = signal;
  }

  close(): void {
    this.#client?.close();
  }

  get isOpen(): boolean {
    return this.#login !== undefined;
  }

  /** The state of the account; only after {@link open}. */
  get login(): LoggedIn {
    return this.#login ?? { password: '', mustChange: false };
  }

  /** @throws PROVISION_KEY_*, PROVISION_LOGIN_*, HTTP_* */
  async open(): Promise<GatewayClient> {
    if (this.#client !== undefined && this.#login !== undefined) return this.#client;
    const { deviceId } = this.#gateway;
    const trust = decideKey(this.#gateway, this.#book.get(deviceId), this.#job);
    await this.#book.update(deviceId, trust);
    this.#client ??= new GatewayClient({
      gateway: this.#gateway,
      pinnedKey: trust.pinnedKey,
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
    });
    await this.relogin();
    return this.#client;
  }

  async relogin(): Promise<void> {
    if (this.#client === undefined) return;
    const { deviceId } = this.#gateway;
    this.#login = await login(this.#client, this.#job, this.#book.get(deviceId), (refusedLogins) =>
      this.#book.update(deviceId, { refusedLogins }),
    );
  }
}
