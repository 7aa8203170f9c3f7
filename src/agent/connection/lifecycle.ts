import { EventEmitter } from 'node:events';
import type { Clock } from '../../common/clock';
import { TpeError } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { redact } from '../../common/redact';
import { TrustedTime } from '../../common/trusted-time';
import type { LifecycleState, ProvisioningStatus } from '../../protocol/api-types';
import type { AzureConfiguration } from '../config/azure-configuration';
import { CloudLink } from '../hub/cloud-link';
import { type CallApi, apiMethod, builtInMethods } from '../hub/direct-methods';
import type { MethodHandlers } from '../hub/hub-connection';
import type { Outbox } from '../hub/outbox';
import type { Tpm } from '../tpm/types';
import type { Assignment, ConnectionStore } from './connection-store';
import { Connector, type LifecycleSettings } from './connector';
import type { Input } from './fsm';
import { Runner } from './runner';

export type { LifecycleSettings } from './connector';

export interface LifecycleOptions {
  readonly tpm: Tpm;
  readonly azure: AzureConfiguration;
  readonly state: ConnectionStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: LifecycleSettings;
  /** Earliest time that can be right, milliseconds since 1970: when this agent was built. */
  readonly builtAtMs: number;
  /** Sections of the twin, reported after each connection and on {@link Lifecycle.refreshTwin}. */
  readonly reportedProperties?: () => Promise<object>;
  /** Applies desired `services` and `discovery`. */
  readonly applyDesired?: CallApi;
  /** Answers the direct method `thingspro-api-v1`, with the permissions of a role; absent: there is no such method. */
  readonly apiMethod?: CallApi;
  /** Further direct methods. */
  readonly methods?: MethodHandlers;
  readonly outbox?: Outbox;
  /** Body of the health message. */
  readonly health?: () => Promise<object>;
  /** Sent to a custom allocation policy. */
  readonly payload?: () => object | undefined;
  readonly random?: () => number;
  /** Longest time that an attempt to connect may take; 20 s unless said otherwise. */
  readonly hubTimeoutMs?: number;
}

/** Keeps the gateway registered and connected for years: state machine, effects, and what the API shows of them. */
export class Lifecycle extends EventEmitter<{ state: [ProvisioningStatus] }> {
  readonly #options: LifecycleOptions;
  readonly #connector: Connector;
  readonly #runner: Runner;
  readonly #link: CloudLink;
  readonly #onChange = (): void => this.#configure(false);
  readonly #counters = { registrations: 0, connects: 0, tokens: 0 };
  #settings: LifecycleSettings;
  #since: number;
  #toldDueAt: number | undefined;
  #lastError: ProvisioningStatus['lastError'];
  /** How often each error was met, by its code. */
  readonly #errors: Record<string, number> = {};

  constructor(options: LifecycleOptions) {
    super();
    const { clock, logger, builtAtMs, tpm, azure, state } = options;
    this.#options = options;
    this.#settings = options.settings;
    this.#since = clock.now();
    const time = new TrustedTime(clock);
    this.#link = new CloudLink({
      clock,
      logger,
      reportedProperties: options.reportedProperties ?? (async () => Promise.resolve({})),
      ...(options.applyDesired === undefined ? {} : { callApi: options.applyDesired }),
      ...(options.outbox === undefined ? {} : { outbox: options.outbox }),
      ...(options.health === undefined ? {} : { health: options.health }),
      onInvalid: (error) => this.#note(error),
    });
    this.#connector = new Connector({
      tpm,
      azure,
      state,
      clock,
      time,
      logger,
      settings: () => this.#settings,
      counters: this.#counters,
      methods: this.#methods(),
      link: this.#link,
      payload: options.payload ?? (() => undefined),
      ...(options.hubTimeoutMs === undefined ? {} : { hubTimeoutMs: options.hubTimeoutMs }),
      onError: (error) => this.#note(error),
      onLost: () => this.#runner.take({ type: 'dropped' }),
    });
    this.#runner = new Runner({
      effects: this.#connector,
      clock,
      random: options.random ?? Math.random,
      timePlausible: () => time.now() >= builtAtMs,
      policy: () => this.#settings.reprovision,
      onStep: (from, input) => this.#stepped(from, input),
    });
  }

  /** Connects from the committed assignment, or registers, as the settings say. Does not wait for the cloud. */
  async start(): Promise<void> {
    const { azure, state } = this.#options;
    const damage = state.damage ?? azure.damage;
    if (damage !== undefined) this.#note(damage);
    azure.on('change', this.#onChange);
    this.#link.setTelemetryPeriod((this.#settings.telemetryPeriodSec ?? 0) * 1000);
    this.#configure(true);
    return Promise.resolve();
  }

  /** Ends it for good: what is under way is called off, the connection closed. Takes less than two seconds. */
  async stop(): Promise<void> {
    this.#options.azure.off('change', this.#onChange);
    this.#link.setTelemetryPeriod(0);
    this.#runner.stop();
    await this.#connector.close();
  }

  /** Takes changed settings into use; the connection is made anew only when they concern how it is made. */
  updateSettings(settings: LifecycleSettings): void {
    const way = ({ trustedCaFile, hubGateway, proxy, transport }: LifecycleSettings): string =>
      JSON.stringify([trustedCaFile, hubGateway, proxy, transport]);
    const changed = way(settings) !== way(this.#settings);
    this.#settings = settings;
    this.#link.setTelemetryPeriod((settings.telemetryPeriodSec ?? 0) * 1000);
    if (changed) this.#configure(false);
  }

  /** The next attempt now instead of after the back-off. */
  retry(): void {
    this.#runner.take({ type: 'retry' });
  }

  /** Asks DPS for a new assignment. */
  reprovision(): void {
    this.#runner.take({ type: 'reprovision' });
  }

  /** To be called when something that the twin reports has changed. */
  refreshTwin(): void {
    this.#link.refresh();
  }

  /** Sends a device-to-cloud message, now or when there is a connection. */
  async publish(body: object, properties: Record<string, string> = {}): Promise<void> {
    await this.#link.publish(body, properties);
  }

  status(): ProvisioningStatus {
    const { scopeId, registrationId } = this.#options.azure.current();
    const assignment = this.#connector.assignment();
    const { nextRetryAt } = this.#runner;
    return {
      state: this.#runner.machine.name,
      since: new Date(this.#since).toISOString(),
      ...(registrationId === '' ? {} : { registrationId }),
      ...(scopeId === '' ? {} : { idScope: scopeId }),
      ...(assignment === undefined ? {} : assigned(assignment)),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      ...(nextRetryAt === undefined ? {} : { nextRetry: new Date(nextRetryAt).toISOString() }),
      counters: { ...this.#counters, errors: { ...this.#errors } },
    };
  }

  #methods(): MethodHandlers {
    const { clock, methods, apiMethod: callApi } = this.#options;
    return {
      ...builtInMethods(
        clock,
        () => this.reprovision(),
        () => ({ since: new Date(this.#since).toISOString() }),
      ),
      ...(callApi === undefined ? {} : { 'thingspro-api-v1': apiMethod(callApi) }),
      ...methods,
    };
  }

  #configure(boot: boolean): void {
    const { enable, source, method } = this.#options.azure.current();
    const enabled = enable && source === 'dps' && method === 'tpm';
    const assigned = this.#connector.assignment() !== undefined;
    this.#runner.take({ type: 'configured', enabled, assigned, boot });
  }

  #stepped(from: LifecycleState, input: Input): void {
    const { clock, logger } = this.#options;
    const { name } = this.#runner.machine;
    if (name !== from) {
      this.#since = clock.now();
      if (name === 'connected' || name === 'unconfigured') this.#lastError = undefined;
      if (name === 'waitingForTime') this.#noteClock();
      logger.info({ from, to: name, on: input.type, nextRetry: this.status().nextRetry }, 'state');
    }
    const { dueAt } = this.#runner;
    if (name === from && dueAt === this.#toldDueAt) return;
    this.#toldDueAt = dueAt;
    this.emit('state', this.status());
  }

  #noteClock(): void {
    const { clock, builtAtMs } = this.#options;
    const [now, built] = [clock.now(), builtAtMs].map((ms) => new Date(ms).toISOString());
    this.#note(new TpeError('CLOCK_NOT_SET', { now: now ?? '', built: built ?? '' }));
  }

  #note(error: TpeError): void {
    const { clock, logger } = this.#options;
    const { code, advice, retryable } = error;
    const message = redact(error.message);
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
    this.#lastError = { code, message, advice, at: new Date(clock.now()).toISOString() };
    logger.warn({ code, message, retryable }, 'the connection met an error');
  }
}

function assigned({
  hub,
  deviceId,
  payload,
}: Assignment): Pick<ProvisioningStatus, 'assignedHub' | 'deviceId' | 'payload'> {
  return { assignedHub: hub, deviceId, ...(payload === undefined ? {} : { payload }) };
}
