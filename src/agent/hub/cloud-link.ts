import type { Timer } from '../../common/clock';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { HubConnection } from './hub-connection';
import type { HubMessage, Outbox } from './outbox';
import { TwinSync, type TwinSyncOptions } from './twin-sync';

/** IoT Hub ends the connection of whoever sends more than 256 KB, properties included: it would come back for ever. */
const LARGEST_MESSAGE_BYTES = 240 * 1024;

const DRAIN_AGAIN_MS = 10_000;

export interface CloudLinkOptions extends TwinSyncOptions {
  /** Keeps messages while there is no connection; absent: they are not kept. */
  readonly outbox?: Outbox;
  /** Body of the health message. */
  readonly health?: () => Promise<object>;
}

/** What the gateway tells the hub and hears from it, over the connections that come and go. */
export class CloudLink {
  readonly #options: CloudLinkOptions;
  readonly #twin: TwinSync;
  #connection: HubConnection | undefined;
  #draining = false;
  #drainLater: Timer | undefined;
  #telemetry: Timer | undefined;

  constructor(options: CloudLinkOptions) {
    this.#options = options;
    this.#twin = new TwinSync(options);
  }

  /** A connection came about. */
  attach(connection: HubConnection): void {
    this.#connection = connection;
    this.#twin.attach(connection);
    void this.#drain(connection);
  }

  /** The connection ended. */
  detach(): void {
    this.#connection = undefined;
    this.#drainLater?.cancel();
    this.#twin.detach();
  }

  /** Reports the sections of the twin that changed; to be called when something of them did. */
  refresh(): void {
    this.#twin.refresh();
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

  /**
   * Sends a message now, or keeps it until there is a connection; the order is kept.
   * @throws HUB_MESSAGE_TOO_LARGE, FILE_WRITE_FAILED
   */
  async publish(body: object, properties: Record<string, string>): Promise<void> {
    const { clock, outbox, logger } = this.#options;
    const createdAt = new Date(clock.now()).toISOString();
    const message: HubMessage = { body: JSON.stringify(body), properties, createdAt };
    const bytes = Buffer.byteLength(JSON.stringify(message));
    if (bytes > LARGEST_MESSAGE_BYTES) {
      throw new TpeError('HUB_MESSAGE_TOO_LARGE', { bytes, limit: LARGEST_MESSAGE_BYTES });
    }
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

  async #drain(connection: HubConnection): Promise<void> {
    const { outbox, logger, clock } = this.#options;
    if (outbox === undefined || this.#draining) return;
    this.#draining = true;
    let failed = false;
    try {
      while (this.#connection === connection) {
        if (!(await outbox.sendOldest(async (message) => connection.send(message)))) break;
      }
    } catch (error) {
      failed = true;
      logger.debug({ err: reasonOf(error) }, 'a kept message could not be sent; it stays');
    }
    this.#draining = false;
    const now = this.#connection;
    if (now === undefined || (!failed && now === connection)) return;
    // Another connection came about meanwhile, or this one goes on although a message was not acknowledged.
    if (now !== connection) void this.#drain(now);
    else this.#drainLater = clock.after(DRAIN_AGAIN_MS, () => void this.#drain(connection));
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
