import { fullJitter } from '../../common/backoff';
import type { Clock, Timer } from '../../common/clock';
import { type TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import type { Acknowledgement } from './desired';
import { DesiredQueue } from './desired-queue';
import type { CallApi } from './direct-methods';
import type { HubConnection } from './hub-connection';

export interface TwinSyncOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The sections of the twin: `general`, `discovery`, `httpserver`, `sshserver`, `services`, `agent`. */
  readonly reportedProperties: () => Promise<object>;
  /** Applies desired properties; absent: they are left alone. */
  readonly callApi?: CallApi;
  /** The hub sent what cannot be read. */
  readonly onInvalid?: (error: TpeError) => void;
}

/** After a twin operation that failed while the connection goes on. */
const RETRY = { baseMs: 5000, capMs: 5 * 60_000 } as const;
/** What changes without a call of the API, such as the actual state of a service, is found within this time. */
const LOOK_AGAIN_MS = 5 * 60_000;

/** Keeps the twin what the gateway is: reports the sections that changed, applies what is desired. */
export class TwinSync {
  readonly #options: TwinSyncOptions;
  readonly #desired: DesiredQueue | undefined;
  #connection: HubConnection | undefined;
  /** JSON of each section as the hub knows it over this connection. */
  readonly #reported = new Map<string, string>();
  #applied: Acknowledgement | undefined;
  #opened = false;
  #busy = false;
  /** How often something changed; while work is under way, the next look follows it. */
  #changes = 0;
  #failures = 0;
  #timer: Timer | undefined;

  constructor(options: TwinSyncOptions) {
    this.#options = options;
    const { callApi, logger, onInvalid } = options;
    if (callApi === undefined) return;
    this.#desired = new DesiredQueue({
      callApi,
      logger,
      onInvalid: (error) => onInvalid?.(error),
      onApplied: (acknowledgement) => {
        this.#applied = acknowledgement;
        this.refresh();
      },
    });
  }

  /** A connection came about. */
  attach(connection: HubConnection): void {
    this.detach();
    this.#connection = connection;
    this.refresh();
  }

  /** The connection ended. */
  detach(): void {
    this.#connection = undefined;
    this.#reported.clear();
    this.#opened = false;
    this.#failures = 0;
    this.#cancelTimer();
  }

  /** Reports the sections that changed; to be called when something of them did. */
  refresh(): void {
    if (this.#connection === undefined) return;
    this.#changes += 1;
    if (!this.#busy) void this.#work(this.#connection);
  }

  /** One piece of work at a time; never rejects. */
  async #work(connection: HubConnection): Promise<void> {
    this.#busy = true;
    const changes = this.#changes;
    this.#cancelTimer();
    try {
      if (!this.#opened) await this.#open(connection);
      await this.#report(connection);
      if (this.#connection === connection) this.#planLook();
    } catch (error) {
      if (this.#connection === connection) this.#planRetry(error);
    }
    this.#busy = false;
    if (this.#changes !== changes) this.refresh();
  }

  async #open(connection: HubConnection): Promise<void> {
    await connection.openTwin((patch, whole) => this.#desired?.take(connection.hub, patch, whole));
    if (this.#connection === connection) this.#opened = true;
  }

  async #report(connection: HubConnection): Promise<void> {
    const sections: Record<string, unknown> = { ...(await this.#options.reportedProperties()) };
    if (this.#connection !== connection) return;
    const { agent } = sections;
    if (this.#applied !== undefined) {
      sections['agent'] = { ...(typeof agent === 'object' ? agent : {}), applied: this.#applied };
    }
    const texts = Object.entries(sections).map(([name, value]) => [name, JSON.stringify(value)] as const);
    const changed = texts.filter(([name, text]) => this.#reported.get(name) !== text);
    if (changed.length === 0) return;
    await connection.report(Object.fromEntries(changed.map(([name]) => [name, sections[name]])));
    if (this.#connection !== connection) return;
    for (const [name, text] of changed) this.#reported.set(name, text);
  }

  #planLook(): void {
    this.#failures = 0;
    this.#timer = this.#options.clock.after(LOOK_AGAIN_MS, () => this.refresh());
  }

  #planRetry(error: unknown): void {
    const { clock, logger } = this.#options;
    const waitMs = RETRY.baseMs + fullJitter(this.#failures, RETRY);
    this.#failures += 1;
    logger.warn({ err: reasonOf(error), waitMs }, 'the twin could not be read or reported; trying again');
    this.#timer = clock.after(waitMs, () => this.refresh());
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
