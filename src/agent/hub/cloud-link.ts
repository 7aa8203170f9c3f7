import type { Clock, Timer } from '../../common/clock';
import { reasonOf } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { applyDesired } from './desired';
import type { CallApi } from './direct-methods';
import type { HubConnection } from './hub-connection';
import type { HubMessage, Outbox } from './outbox';

export interface CloudLinkOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The sections of the twin: `general`, `discovery`, `httpserver`, `sshserver`, `services`, `agent`. */
  readonly reportedProperties: () => Promise<object>;
  /** Applies desired properties; absent: they are left alone. */
  readonly callApi?: CallApi;
  /** Keeps messages while there is no connection; absent: they are not kept. */
  readonly outbox?: Outbox;
  /** Body of the health message. */
  readonly health?: () => Promise<object>;
}

/** What the gateway tells the hub and hears from it, over the connections that come and go. */
export class CloudLink {
  readonly #options: CloudLinkOptions;
  #connection: HubConnection | undefined;
  /** JSON of each section as the hub knows it over this connection. */
  readonly #reported = new Map<string, string>();
  #applied: { version: number; report: unknown } | undefined;
  #reports: Promise<void> = Promise.resolve();
  #draining = false;
  #telemetry: Timer | undefined;

  constructor(options: CloudLinkOptions) {
    this.#options = options;
  }

  /** A connection came about. */
  attach(connection: HubConnection): void {
    this.#connection = connection;
    this.#reported.clear();
    void this.#begin(connection);
  }

  /** The connection ended. */
  detach(): void {
    this.#connection = undefined;
  }

  /** Reports the sections of the twin that changed; to be called when something of them did. */
  refresh(): void {
    const connection = this.#connection;
    if (connection !== undefined) this.#reportChanges(connection);
  }

  /** A health message now and then; 0 ends it. */
  setTelemetryPeriod(periodMs: number): void {
    this.#telemetry?.cancel();
    this.#telemetry = undefined;
    if (periodMs <= 0) return;
    this.#telemetry = this.#options.clock.after(periodMs, () => {
      this.setTelemetryPeriod(periodMs);
      void this.#sendHealth();
    });
  }

  /** Sends a message now, or keeps it until there is a connection; the order is kept. */
  async publish(body: object, properties: Record<string, string>): Promise<void> {
    const { clock, outbox, logger } = this.#options;
    const createdAt = new Date(clock.now()).toISOString();
    const message: HubMessage = { body: JSON.stringify(body), properties, createdAt };
    const connection = this.#connection;
    if (connection !== undefined && (outbox?.size ?? 0) === 0) {
      try {
        await connection.send(message);
        return;
      } catch (error) {
        logger.debug({ err: reasonOf(error) }, 'a message could not be sent; it is kept');
      }
    }
    await outbox?.add(message);
    const now = this.#connection;
    if (now !== undefined) void this.#drain(now);
  }

  async #begin(connection: HubConnection): Promise<void> {
    const { logger } = this.#options;
    void this.#drain(connection);
    try {
      await connection.openTwin((patch) => this.#desired(connection, patch));
    } catch (error) {
      logger.warn({ err: reasonOf(error) }, 'the twin could not be read');
      return;
    }
    this.#reportChanges(connection);
  }

  #reportChanges(connection: HubConnection): void {
    const { logger } = this.#options;
    this.#reports = this.#reports
      .then(async () => this.#report(connection))
      .catch((error: unknown) => logger.warn({ err: reasonOf(error) }, 'the twin could not be reported'));
  }

  async #report(connection: HubConnection): Promise<void> {
    if (this.#connection !== connection) return;
    const sections: Record<string, unknown> = { ...(await this.#options.reportedProperties()) };
    const agent = sections['agent'];
    if (this.#applied !== undefined) {
      sections['agent'] = { ...(typeof agent === 'object' ? agent : {}), applied: this.#applied.report };
    }
    const texts = Object.entries(sections).map(([name, value]) => [name, JSON.stringify(value)] as const);
    const changed = texts.filter(([name, text]) => this.#reported.get(name) !== text);
    if (changed.length === 0) return;
    await connection.report(Object.fromEntries(changed.map(([name]) => [name, sections[name]])));
    for (const [name, text] of changed) this.#reported.set(name, text);
  }

  #desired(connection: HubConnection, patch: unknown): void {
    const { callApi, logger } = this.#options;
    if (callApi === undefined) return;
    const version = (patch as { $version?: unknown } | null)?.$version;
    // The whole of the desired properties comes again with every connection.
    if (typeof version === 'number' && version <= (this.#applied?.version ?? 0)) return;
    applyDesired(patch, callApi).then(
      (report) => {
        if (report === undefined) return;
        logger.info({ version: report.version }, 'desired properties were applied');
        this.#applied = { version: report.version, report };
        this.#reportChanges(connection);
      },
      (error: unknown) => logger.warn({ err: reasonOf(error) }, 'desired properties could not be read'),
    );
  }

  async #drain(connection: HubConnection): Promise<void> {
    const { outbox, logger } = this.#options;
    if (outbox === undefined || this.#draining) return;
    this.#draining = true;
    try {
      while (this.#connection === connection) {
        if (!(await outbox.sendOldest(async (message) => connection.send(message)))) break;
      }
    } catch (error) {
      logger.debug({ err: reasonOf(error) }, 'kept messages wait for the next connection');
    } finally {
      this.#draining = false;
    }
  }

  async #sendHealth(): Promise<void> {
    const { health, logger } = this.#options;
    if (health === undefined) return;
    try {
      await this.publish(await health(), { type: 'health' });
    } catch (error) {
      logger.warn({ err: reasonOf(error) }, 'the health message could not be kept');
    }
  }
}
