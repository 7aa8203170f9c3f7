import { X509Certificate } from 'node:crypto';
import type { Server as HttpServer } from 'node:http';
import { readFile, rm } from 'node:fs/promises';
import { type Server as HttpsServer, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../common/clock';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { writeFileAtomic } from '../../common/fs/atomic-write';
import { spkiSha256 } from '../../common/http/request';
import type { Logger } from '../../common/logger';
import type { HttpServerSettings, StoredDeviceSettings } from '../device/device-settings';
import type { ConnectionGuard } from './connection-guard';
import { checkCertificate } from './own-certificate';
import { refuseMalformed } from './plugins/errors';
import { redirectServer } from './redirect';
import type { TlsIdentity } from './tls-identity';

export interface ApiServerOptions {
  readonly stateFolder: string;
  /** Address to listen on; `::` is IPv4 and IPv6. */
  readonly address: string;
  /** Ports of the settings file; what was set by API wins. */
  readonly port: number;
  readonly httpPort?: number | undefined;
  readonly tls: TlsIdentity;
  readonly deviceSettings: StoredDeviceSettings;
  readonly guard: ConnectionGuard;
  readonly addresses: () => readonly string[];
  /** False while the clock may be wrong. */
  readonly clockIsTrusted: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const CERTIFICATE_FILE = 'own-cert.pem';
const KEY_FILE = 'own-key.pem';
const DEFAULT_HTTP_PORT = 80;
const REQUEST_TIMEOUT_MS = 15_000;
const HEADERS_TIMEOUT_MS = 8000;
const HANDSHAKE_TIMEOUT_MS = 8000;
const KEEP_ALIVE_MS = 10_000;
const REQUESTS_PER_CONNECTION = 10_000;

type Keys = Pick<TlsIdentity, 'key' | 'cert'>;

async function listen(server: HttpServer | HttpsServer, address: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new TpeError('API_LISTEN_FAILED', { address, port, reason: reasonOf(error) }, { cause: error })),
    );
    server.listen({ host: address, port, backlog: 256 }, () => resolve());
  });
  return (server.address() as AddressInfo).port;
}

async function close(server: HttpServer | HttpsServer): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // Whoever is still in a request has had the time that a request may take.
    setTimeout(() => server.closeAllConnections(), 1000).unref();
  });
}

/**
 * The API's listeners: HTTPS, and the redirect from plain HTTP. Ports and certificate can change while it runs: a new
 * port listens before the old one closes, so a mistake never locks anybody out.
 */
export class ApiServer {
  readonly #options: ApiServerOptions;
  #app: FastifyInstance | undefined;
  #https: HttpsServer | undefined;
  #http: HttpServer | undefined;
  #port = 0;
  #keys: Keys;
  #changes: Promise<unknown> = Promise.resolve();

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#keys = options.tls;
  }

  /** @throws API_LISTEN_FAILED */
  async start(app: FastifyInstance): Promise<void> {
    this.#app = app;
    this.#keys = (await this.#ownKeys()) ?? this.#options.tls;
    await app.ready();
    await this.#listenHttps(this.settings().httpsPort);
    if (this.settings().httpEnable) {
      await this.#listenHttp().catch((error: unknown) => {
        // The redirect is a convenience; HTTPS is what has to be there.
        this.#options.logger.error({ reason: reasonOf(error) }, 'the HTTP redirect does not listen');
      });
    }
  }

  async stop(): Promise<void> {
    const open = [this.#https, this.#http].filter((server) => server !== undefined);
    await Promise.all(open.map(close));
    await this.#app?.close();
  }

  /** The port that HTTPS listens on. */
  get port(): number {
    return this.#port;
  }

  keySha256(): string {
    return spkiSha256(new X509Certificate(this.#keys.cert));
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
    const turn = this.#changes.then(() => this.#apply(change));
    this.#changes = turn.catch(() => undefined);
    await turn;
  }

  /** @throws API_CERTIFICATE_REFUSED */
  async useCertificate(cert: string, key: string): Promise<void> {
    const { addresses, clock, clockIsTrusted, stateFolder } = this.#options;
    const names = [hostname(), ...addresses()];
    checkCertificate(cert, key, { names, now: clock.now(), clockIsTrusted: clockIsTrusted() });
    // The certificate last: without it the key is not used.
    await writeFileAtomic(join(stateFolder, KEY_FILE), key);
    await writeFileAtomic(join(stateFolder, CERTIFICATE_FILE), cert);
    this.#use({ key, cert });
  }

  async useOwnCertificate(): Promise<void> {
    for (const name of [CERTIFICATE_FILE, KEY_FILE])
      await rm(join(this.#options.stateFolder, name), { force: true });
    this.#use(this.#options.tls);
  }

  #use(keys: Keys): void {
    this.#keys = keys;
    this.#https?.setSecureContext({ ...keys, minVersion: 'TLSv1.2' });
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
    const previous = this.#https;
    const moves = after.httpsPort !== this.#port;
    if (moves) await this.#listenHttps(after.httpsPort);
    if (after.httpEnable !== before.httpEnable || after.httpPort !== before.httpPort) {
      const { httpPort } = after;
      await this.#replaceHttp(after.httpEnable ? httpPort : undefined);
    }
    await this.#options.deviceSettings.update((state) => ({ ...state, httpServer: after }));
    // After the answer of the request that asked for it, which still travels on the old one.
    if (moves && previous !== undefined) setImmediate(() => void close(previous));
  }

  async #replaceHttp(port: number | undefined): Promise<void> {
    const previous = this.#http;
    this.#http = undefined;
    if (previous !== undefined) await close(previous);
    if (port !== undefined) await this.#listenHttp(port);
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
    const server = createServer(
      {
        ...this.#keys,
        minVersion: 'TLSv1.2',
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        headersTimeout: HEADERS_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: 16_384,
        connectionsCheckingInterval: 2000,
      },
      (request, response) => app.routing(request, response),
    );
    server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
    server.on('clientError', refuseMalformed);
    this.#options.guard.watch(server);
    this.#port = await listen(server, this.#options.address, port);
    this.#https = server;
  }

  async #ownKeys(): Promise<Keys | undefined> {
    const { stateFolder, logger } = this.#options;
    try {
      const [cert, key] = await Promise.all(
        [CERTIFICATE_FILE, KEY_FILE].map((name) => readFile(join(stateFolder, name), 'utf8')),
      );
      if (cert === undefined || key === undefined) return undefined;
      // Not judged by the clock: an expired certificate is still better known to clients than another one.
      checkCertificate(cert, key, { names: [], now: 0, clockIsTrusted: false });
      return { cert, key };
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        logger.error({ reason: reasonOf(error) }, 'the own certificate cannot be used; the self-made one is');
      }
      return undefined;
    }
  }
}
