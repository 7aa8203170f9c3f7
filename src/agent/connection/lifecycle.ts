import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Clock, Timer } from '../../common/clock';
import { TpeError, isTpeError, reasonOf, toTpeError } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { redact } from '../../common/redact';
import { TrustedTime } from '../../common/trusted-time';
import type { ProvisioningStatus } from '../../protocol/api-types';
import type { AzureConfiguration } from '../config/azure-configuration';
import { parseEndpoint } from '../config/azure-rules';
import { HubConnection, type MethodHandlers } from '../hub/hub-connection';
import { askTime } from '../provisioning/ask-time';
import { register } from '../provisioning/register';
import type { Tpm } from '../tpm/types';
import { type Assignment, type ConnectionStore, keyOf } from './connection-store';
import { type Effect, INITIAL, type Input, type ReprovisionPolicy, type World, step } from './fsm';

/** What of the settings file concerns the connection. */
export interface LifecycleSettings {
  readonly reprovision: ReprovisionPolicy;
  /** PEM file of the authorities to trust instead of the system's; read at every attempt. */
  readonly trustedCaFile?: string;
  /** `host:port` dialled instead of the assigned hub. */
  readonly hubGateway?: string;
}

export interface LifecycleOptions {
  readonly tpm: Tpm;
  readonly azure: AzureConfiguration;
  readonly state: ConnectionStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: LifecycleSettings;
  /** Earliest time that can be right, milliseconds since 1970: when this agent was built. */
  readonly builtAtMs: number;
  /** What is reported to the twin after each connection. */
  readonly reportedProperties?: () => Promise<object>;
  readonly methods?: MethodHandlers;
  /** Sent to a custom allocation policy. */
  readonly payload?: () => object | undefined;
  readonly random?: () => number;
}

/**
 * Keeps the gateway registered and connected: feeds the state machine with what happens and carries out its effects.
 */
export class Lifecycle extends EventEmitter<{ state: [ProvisioningStatus] }> {
  readonly #options: LifecycleOptions;
  readonly #time: TrustedTime;
  readonly #onChange = (): void => this.#configure(false);
  #settings: LifecycleSettings;
  #machine = INITIAL;
  #since: number;
  #lastError: ProvisioningStatus['lastError'];
  #nextRetryAt: number | undefined;
  #timer: Timer | undefined;
  #operation: AbortController | undefined;
  #connection: HubConnection | undefined;
  #loadedKey: Assignment | undefined;
  #running = false;
  readonly #counters = { registrations: 0, connects: 0, tokens: 0 };

  constructor(options: LifecycleOptions) {
    super();
    this.#options = options;
    this.#settings = options.settings;
    this.#time = new TrustedTime(options.clock);
    this.#since = options.clock.now();
  }

  /** Connects from the committed assignment, or registers, as the settings say. Does not wait for the cloud. */
  async start(): Promise<void> {
    const { azure, state } = this.#options;
    this.#running = true;
    const damage = state.damage ?? azure.damage;
    if (damage !== undefined) this.#note(damage);
    azure.on('change', this.#onChange);
    this.#configure(true);
    return Promise.resolve();
  }

  /** Closes the connection; what is under way is called off. Takes less than two seconds. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#options.azure.off('change', this.#onChange);
    this.#timer?.cancel();
    this.#operation?.abort();
    await this.#connection?.close();
    this.#connection = undefined;
  }

  /** Takes changed settings into use, at once where they matter for the connection. */
  updateSettings(settings: LifecycleSettings): void {
    const same = JSON.stringify(settings) === JSON.stringify(this.#settings);
    this.#settings = settings;
    if (!same && this.#running) this.#configure(false);
  }

  /** The next attempt now instead of after the back-off. */
  retry(): void {
    this.#take({ type: 'retry' });
  }

  /** Asks DPS for a new assignment. */
  reprovision(): void {
    this.#take({ type: 'reprovision' });
  }

  status(): ProvisioningStatus {
    const { scopeId, registrationId } = this.#options.azure.current();
    const assignment = this.#assignment();
    return {
      state: this.#machine.name,
      since: new Date(this.#since).toISOString(),
      ...(registrationId === '' ? {} : { registrationId }),
      ...(scopeId === '' ? {} : { idScope: scopeId }),
      ...(assignment === undefined ? {} : { assignedHub: assignment.hub, deviceId: assignment.deviceId }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      ...(this.#nextRetryAt === undefined ? {} : { nextRetry: new Date(this.#nextRetryAt).toISOString() }),
      counters: { ...this.#counters },
    };
  }

  /** The committed assignment, when it is of the settings in force. */
  #assignment(): Assignment | undefined {
    const { azure, state } = this.#options;
    const { assignment } = state.current();
    const { globalEndpoint, scopeId, registrationId } = azure.current();
    const fits =
      assignment?.endpoint === globalEndpoint &&
      assignment.idScope === scopeId &&
      assignment.registrationId === registrationId;
    return fits ? assignment : undefined;
  }

  #configure(boot: boolean): void {
    const { enable, source, method } = this.#options.azure.current();
    const enabled = enable && source === 'dps' && method === 'tpm';
    this.#take({ type: 'configured', enabled, assigned: this.#assignment() !== undefined, boot });
  }

  #world(): World {
    const { clock, random, builtAtMs } = this.#options;
    return {
      nowMs: clock.monotonic(),
      random: (random ?? Math.random)(),
      timePlausible: this.#time.now() >= builtAtMs,
      policy: this.#settings.reprovision,
    };
  }

  #take(input: Input): void {
    if (!this.#running) return;
    const { clock, logger } = this.#options;
    const before = this.#machine.name;
    const { machine, effects } = step(this.#machine, input, this.#world());
    this.#machine = machine;
    if (effects.length > 0) {
      this.#timer?.cancel();
      this.#nextRetryAt = undefined;
    }
    for (const effect of effects) this.#perform(effect);
    if (machine.name === before) return;
    this.#since = clock.now();
    if (machine.name === 'connected' || machine.name === 'unconfigured') this.#lastError = undefined;
    if (machine.name === 'waitingForTime') this.#noteClock();
    logger.info(
      { from: before, to: machine.name, on: input.type, nextRetry: this.status().nextRetry },
      'state',
    );
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
    this.#lastError = { code, message, advice, at: new Date(clock.now()).toISOString() };
    logger.warn({ code, message, retryable }, 'the connection met an error');
  }

  #perform(effect: Effect): void {
    const { clock } = this.#options;
    switch (effect.type) {
      case 'wait':
        this.#nextRetryAt = clock.now() + effect.ms;
        this.#timer = clock.after(effect.ms, () => this.#take({ type: 'timer' }));
        return;
      case 'drop':
        this.#callOff();
        return;
      case 'register':
        this.#run(async (signal) => this.#register(signal));
        return;
      case 'connect':
        this.#run(async (signal) => this.#connect(signal, effect.checkTime));
        return;
    }
  }

  #callOff(): void {
    this.#operation?.abort();
    this.#operation = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    void connection?.close();
  }

  /** Runs one operation; its outcome counts only while no other has taken its place. */
  #run(operation: (signal: AbortSignal) => Promise<Input>): void {
    this.#callOff();
    const abort = new AbortController();
    this.#operation = abort;
    void operation(abort.signal).then((input) => {
      if (this.#operation !== abort || abort.signal.aborted) return;
      this.#operation = undefined;
      this.#take(input);
    });
  }

  async #trustedCa(): Promise<{ ca?: string }> {
    const { trustedCaFile } = this.#settings;
    if (trustedCaFile === undefined) return {};
    try {
      return { ca: await readFile(trustedCaFile, 'utf8') };
    } catch (error) {
      throw new TpeError(
        'FILE_READ_FAILED',
        { path: trustedCaFile, reason: reasonOf(error) },
        { cause: error },
      );
    }
  }

  async #register(signal: AbortSignal): Promise<Input> {
    const { tpm, clock, azure, payload, logger } = this.#options;
    try {
      const { globalEndpoint, scopeId, registrationId } = azure.current();
      const custom = payload?.();
      this.#counters.registrations += 1;
      const registration = await register(tpm, {
        ...parseEndpoint(globalEndpoint),
        idScope: scopeId,
        registrationId,
        ...(await this.#trustedCa()),
        ...(custom === undefined ? {} : { payload: custom }),
        clock,
        time: this.#time,
        signal,
      });
      signal.throwIfAborted();
      const { hub, deviceId, key, substatus } = registration;
      await this.#commit({
        endpoint: globalEndpoint,
        idScope: scopeId,
        registrationId,
        hub,
        deviceId,
        key: { public: key.public.toString('base64'), private: key.private.toString('base64') },
        ...(substatus === undefined ? {} : { substatus }),
        ...(registration.payload === undefined ? {} : { payload: registration.payload }),
        assignedAt: new Date(this.#time.now()).toISOString(),
      });
      logger.info({ hub, deviceId, substatus }, 'registered');
      return { type: 'registered' };
    } catch (error) {
      const known = toTpeError(error);
      if (!signal.aborted) this.#note(known);
      const seconds = known.details['retryAfterSec'];
      return {
        type: 'registrationFailed',
        retryable: known.retryable,
        ...(typeof seconds === 'number' ? { retryAfterMs: seconds * 1000 } : {}),
      };
    }
  }

  /** EK, hub, device id and key in one rename. The key in the TPM changes only after it. */
  async #commit(assignment: Assignment): Promise<void> {
    const { tpm, state } = this.#options;
    const ek = await tpm.endorsementKey();
    const recorded = {
      name: ek.name.toString('hex'),
      ...(ek.template === undefined ? {} : { template: ek.template }),
    };
    await state.save({ ek: recorded, assignment });
  }

  async #loadKey(assignment: Assignment): Promise<void> {
    if (this.#loadedKey === assignment) return;
    await this.#options.tpm.loadIdentityKey(keyOf(assignment));
    this.#loadedKey = assignment;
  }

  /** Signs with the hub key; a TPM that was restarted has forgotten it, then it is loaded once more. */
  async #sign(assignment: Assignment, data: Uint8Array): Promise<Buffer> {
    const { tpm } = this.#options;
    await this.#loadKey(assignment);
    try {
      return await tpm.sign(data);
    } catch (error) {
      this.#options.logger.warn({ err: reasonOf(error) }, 'signing failed; the hub key is loaded again');
      this.#loadedKey = undefined;
      await this.#loadKey(assignment);
      return tpm.sign(data);
    }
  }

  async #connect(signal: AbortSignal, checkTime: boolean): Promise<Input> {
    const { clock, logger, methods } = this.#options;
    const assignment = this.#assignment();
    if (assignment === undefined) return { type: 'keyLost' };
    try {
      await this.#loadKey(assignment);
      if (checkTime) await this.#checkTime(signal);
      const { hubGateway } = this.#settings;
      const connection = await HubConnection.open(
        {
          hub: assignment.hub,
          deviceId: assignment.deviceId,
          ...(hubGateway === undefined ? {} : { gateway: hubGateway }),
          ...(await this.#trustedCa()),
          sign: async (data) => this.#sign(assignment, data),
          clock,
          time: this.#time,
          logger,
          methods: methods ?? {},
          onToken: () => (this.#counters.tokens += 1),
          onLost: (error) => this.#lost(connection, error),
        },
        signal,
      );
      if (signal.aborted) {
        await connection.close();
        return { type: 'unreachable' };
      }
      this.#connection = connection;
      this.#counters.connects += 1;
      void this.#report(connection);
      return { type: 'connected' };
    } catch (error) {
      const known = toTpeError(error);
      if (!signal.aborted) this.#note(known);
      return connectFailure(known);
    }
  }

  #lost(connection: HubConnection, error: TpeError): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#note(error);
    this.#take({ type: 'dropped' });
  }

  async #report(connection: HubConnection): Promise<void> {
    const { reportedProperties, logger } = this.#options;
    if (reportedProperties === undefined) return;
    try {
      await connection.report(await reportedProperties());
    } catch (error) {
      logger.warn({ err: reasonOf(error) }, 'the twin could not be reported');
    }
  }

  /** A CONNACK does not say whether the token was expired; DPS, behind verified TLS, tells the time. */
  async #checkTime(signal: AbortSignal): Promise<void> {
    const { azure, logger } = this.#options;
    try {
      const { globalEndpoint } = azure.current();
      this.#time.observe(
        await askTime({ ...parseEndpoint(globalEndpoint), ...(await this.#trustedCa()), signal }),
      );
      const skewSec = Math.round(this.#time.skewMs() / 1000);
      if (skewSec !== 0) logger.warn({ skewSec }, 'the clock is wrong; tokens are made with the time of DPS');
    } catch (error) {
      logger.debug({ err: reasonOf(error) }, 'DPS could not be asked for the time');
    }
  }
}

/** What a failed connection attempt means to the state machine. */
function connectFailure(error: TpeError): Input {
  const cause = error.cause;
  if (isTpeError(error, 'TPM_KEY_REFUSED') || isTpeError(cause, 'TPM_KEY_REFUSED'))
    return { type: 'keyLost' };
  if (isTpeError(error, 'HUB_REFUSED')) return { type: 'refused' };
  if (isTpeError(error, 'HUB_TOKEN_FAILED') || error.code.startsWith('TPM_')) return { type: 'tpmFailed' };
  return { type: 'unreachable' };
}
