import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { FastifyInstance } from 'fastify';
import type { Timer } from '../../common/clock';
import { TpeError, reasonOf, toTpeError } from '../../common/errors/tpe-error';
import type { HttpServerSettings, StoredDeviceSettings } from '../device/device-settings';
import type { ConnectionGuard } from './connection-guard';
import { close, httpsServer, listen, secureContext } from './listeners';
import { redirectServer } from './redirect';
import { ServerKeys, type ServerKeysOptions } from './server-keys';

export interface ApiServerOptions extends ServerKeysOptions {
  /** Address to listen on; `::` is IPv4 and IPv6. */
  readonly address: string;
  /** Ports of the settings file; what was set by API wins. */
  readonly port: number;
  readonly httpPort?: number | undefined;
  readonly deviceSettings: StoredDeviceSettings;
  readonly guard: ConnectionGuard;
  /** Called with each connection that has finished its handshake. */
  readonly onConnection: (connection: object) => void;
}

const DEFAULT_HTTP_PORT = 80;

/** Between two tries to listen on what is not there yet. */
const LISTEN_RETRY_MS = 5000;

/**
 * The API's listeners: HTTPS, and the redirect from plain HTTP. Ports and certificate can change while it runs: a new
 * port listens before the old one closes, so a mistake never locks anybody out.
 */
export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #keys: ServerKeys;
  #app: FastifyInstance | undefined;
  #https: HttpsServer | undefined;
  #http: HttpServer | undefined;
  #port = 0;
  #retry: Timer | undefined;
  #changes: Promise<unknown> = Promise.resolve();

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#keys = new ServerKeys(options);
  }

  /**
   * Listens, or goes on trying: an address that is not there yet, or a port that somebody else holds, must not keep the
   * gateway from its hub.
   */
  async start(app: FastifyInstance): Promise<void> {
    const { logger } = this.#options;
    this.#app = app;
    await this.#keys.load();
    await app.ready();
    await this.#listenHttps(this.settings().httpsPort).catch((error: unknown) => {
      logger.error({ ...toTpeError(error).toJSON() }, 'HTTPS does not listen; it is tried again and again');
      this.#listenLater();
    });
    if (this.settings().httpEnable) {
      await this.#listenHttp().catch((error: unknown) => {
        // The redirect is a convenience; HTTPS is what has to be there.
        this.#options.logger.error({ reason: reasonOf(error) }, 'the HTTP redirect does not listen');
      });
    }
  }

  #listenLater(): void {
    if (this.#app === undefined) return;
    this.#retry = this.#options.clock.after(LISTEN_RETRY_MS, () => {
      void this.#inTurn(async () => {
        // The port may have been changed meanwhile, through the hub.
        if (this.#https === undefined) await this.#listenHttps(this.settings().httpsPort);
      }).then(
        () => this.#options.logger.info({ port: this.#port }, 'HTTPS listens now'),
        () => this.#listenLater(),
      );
    });
  }

  async stop(): Promise<void> {
    const app = this.#app;
    // First: a try that fails meanwhile must plan no further one.
    this.#app = undefined;
    this.#retry?.cancel();
    await this.#changes;
    const open = [this.#https, this.#http].filter((server) => server !== undefined);
    await Promise.all(open.map(close));
    await app?.close();
  }

  /** The port that HTTPS listens on, or will. */
  get port(): number {
    return this.settings().httpsPort;
  }

  keySha256(): string {
    return this.#keys.sha256;
  }

  settings(): HttpServerSettings {
    const { port, httpPort, deviceSettings } = this.#options;
    const stored = deviceSettings.value.httpServer;
    return {
      httpEnable: stored?.httpEnable ?? httpPort !== undefined,
      httpPort: stored?.httpPort ?? httpPort ?? DEFAULT_HTTP_PORT,
      httpsPort: stored?.httpsPort ?? (this.#port === 0 ? port : this.#port),
    };
  }

  /** @throws SERVICE_PROTECTED for switching HTTPS off, API_INPUT_INVALID, API_LISTEN_FAILED: nothing has changed then. */
  async change(change: {
    httpEnable?: boolean;
    httpPort?: number;
    httpsEnable?: boolean;
    httpsPort?: number;
  }): Promise<void> {
    if (change.httpsEnable === false) {
      throw new TpeError('SERVICE_PROTECTED', { id: 'httpsservice', reason: 'HTTPS cannot be disabled' });
    }
    const { httpsPort } = change;
    if (httpsPort !== undefined && httpsPort !== 443 && httpsPort < 1024) {
      throw new TpeError('API_INPUT_INVALID', { reason: 'httpsPort need 443 or 1024-65535' });
    }
    await this.#inTurn(() => this.#apply(change));
  }

  /** @throws API_CERTIFICATE_REFUSED */
  async useCertificate(cert: string, key: string, allowOtherNames = false): Promise<void> {
    this.#keys.check({ cert, key }, allowOtherNames);
    await this.#inTurn(async () => {
      await this.#keys.set({ cert, key });
      this.#present();
    });
  }

  async useOwnCertificate(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#keys.unset();
      this.#present();
    });
  }

  certificateWarning(): string | undefined {
    return this.#keys.warning();
  }

  /** To whoever connects from now on. */
  #present(): void {
    this.#https?.setSecureContext(secureContext(this.#keys.present));
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#changes.then(work);
    this.#changes = turn.catch(() => undefined);
    await turn;
  }

  async #apply(change: { httpEnable?: boolean; httpPort?: number; httpsPort?: number }): Promise<void> {
    const before = this.settings();
    const after: HttpServerSettings = {
      httpEnable: change.httpEnable ?? before.httpEnable,
      httpPort: change.httpPort ?? before.httpPort,
      httpsPort: change.httpsPort ?? before.httpsPort,
    };
    if (after.httpEnable && after.httpPort === after.httpsPort) {
      throw new TpeError('API_INPUT_INVALID', { reason: 'httpPort and httpsPort need to differ' });
    }
    const [https, http, port] = [this.#https, this.#http, this.#port];
    const moves = after.httpsPort !== port;
    const redirectMoves = after.httpEnable !== before.httpEnable || after.httpPort !== before.httpPort;
    try {
      if (moves) await this.#listenHttps(after.httpsPort);
      if (redirectMoves) {
        this.#http = undefined;
        if (after.httpEnable) await this.#listenHttp(after.httpPort);
      }
      await this.#options.deviceSettings.update((state) => ({ ...state, httpServer: after }));
    } catch (error) {
      const opened = [this.#https, this.#http].filter((one) => one !== https && one !== http);
      [this.#https, this.#http, this.#port] = [https, http, port];
      await Promise.all(opened.map(async (one) => one && (await close(one))));
      throw error;
    }
    if (redirectMoves && http !== undefined) await close(http);
    // After the answer of the request that asked for it, which still travels on the old one.
    if (moves && https !== undefined) setImmediate(() => void close(https));
  }

  async #listenHttp(port = this.settings().httpPort): Promise<void> {
    const server = redirectServer(() => this.#port);
    this.#options.guard.watch(server);
    await listen(server, this.#options.address, port);
    this.#http = server;
  }

  async #listenHttps(port: number): Promise<void> {
    const app = this.#app;
    if (app === undefined) return;
    const server = httpsServer((request, response) => app.routing(request, response), this.#keys.present);
    this.#options.guard.watch(server);
    server.on('secureConnection', this.#options.onConnection);
    this.#port = await listen(server, this.#options.address, port);
    this.#https = server;
  }
}
