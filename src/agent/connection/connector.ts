import { readFile } from 'node:fs/promises';
import type { HttpsProxyAgent } from 'https-proxy-agent';
import type { Clock } from '../../common/clock';
import { TpeError, isTpeError, reasonOf, toTpeError } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import type { TrustedTime } from '../../common/trusted-time';
import type { AzureConfiguration } from '../config/azure-configuration';
import { parseEndpoint } from '../config/azure-rules';
import { HubConnection, type MethodHandlers } from '../hub/hub-connection';
import type { CloudLink } from '../hub/cloud-link';
import { askTime } from '../provisioning/ask-time';
import { type Registration, register } from '../provisioning/register';
import type { Tpm } from '../tpm/types';
import { type Assignment, type ConnectionStore, keyOf } from './connection-store';
import type { Input, ReprovisionPolicy } from './fsm';
import { makeProxyAgent } from './proxy-agent';
import type { Effects } from './runner';

/** What of the settings file concerns the connection. */
export interface LifecycleSettings {
  readonly reprovision: ReprovisionPolicy;
  /** PEM file of the authorities to trust instead of the system's; read at every attempt. */
  readonly trustedCaFile?: string;
  /** `host:port` dialled instead of the assigned hub. */
  readonly hubGateway?: string;
  /** `http://[USER:PASSWORD@]HOST:PORT`; for DPS, and for the hub over WebSockets. */
  readonly proxy?: string;
  /** `mqtt-websockets` is also what a proxy makes of it: proxies let port 443 through. */
  readonly transport?: 'mqtt' | 'mqtt-websockets';
  /** Seconds between health messages; 0: none. */
  readonly telemetryPeriodSec?: number;
}

export interface Counters {
  registrations: number;
  connects: number;
  tokens: number;
}

export interface ConnectorOptions {
  readonly tpm: Tpm;
  readonly azure: AzureConfiguration;
  readonly state: ConnectionStore;
  readonly clock: Clock;
  readonly time: TrustedTime;
  readonly logger: Logger;
  readonly settings: () => LifecycleSettings;
  readonly counters: Counters;
  readonly methods: MethodHandlers;
  readonly link: CloudLink;
  /** Sent to a custom allocation policy. */
  readonly payload: () => object | undefined;
  readonly hubTimeoutMs?: number;
  readonly onError: (error: TpeError) => void;
  readonly onLost: () => void;
}

/** The effects of the state machine on TPM, DPS, hub and disk. */
export class Connector implements Effects {
  readonly #options: ConnectorOptions;
  #connection: HubConnection | undefined;
  #loaded: Assignment | undefined;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** The committed assignment, when it is of the settings in force. */
  assignment(): Assignment | undefined {
    const { azure, state } = this.#options;
    const { assignment } = state.current();
    const { globalEndpoint, scopeId, registrationId } = azure.current();
    const fits =
      assignment?.endpoint === globalEndpoint &&
      assignment.idScope === scopeId &&
      assignment.registrationId === registrationId;
    return fits ? assignment : undefined;
  }

  async register(signal: AbortSignal): Promise<Input> {
    const { tpm, clock, time, azure, payload, counters } = this.#options;
    try {
      const { globalEndpoint, scopeId, registrationId } = azure.current();
      const custom = payload();
      counters.registrations += 1;
      const registration = await register(tpm, {
        ...parseEndpoint(globalEndpoint),
        idScope: scopeId,
        registrationId,
        ...(await this.#trust()),
        ...(custom === undefined ? {} : { payload: custom }),
        clock,
        time,
        signal,
      });
      const settings = { endpoint: globalEndpoint, idScope: scopeId, registrationId };
      await this.#commit(registration, settings, signal);
      return { type: 'registered' };
    } catch (error) {
      const known = toTpeError(error);
      if (!signal.aborted) this.#options.onError(known);
      const seconds = known.details['retryAfterSec'];
      return {
        type: 'registrationFailed',
        retryable: known.retryable,
        ...(typeof seconds === 'number' ? { retryAfterMs: seconds * 1000 } : {}),
      };
    }
  }

  async connect(signal: AbortSignal, checkTime: boolean): Promise<Input> {
    const { counters, link } = this.#options;
    const assignment = this.assignment();
    if (assignment === undefined) return { type: 'keyLost' };
    try {
      await this.#loadKey(assignment);
      if (checkTime) await this.#checkTime(signal);
      const connection = await this.#dial(assignment, signal);
      if (signal.aborted) {
        await connection.close();
        return { type: 'unreachable' };
      }
      this.#connection = connection;
      counters.connects += 1;
      link.attach(connection);
      return { type: 'connected' };
    } catch (error) {
      const known = toTpeError(error);
      if (!signal.aborted) this.#options.onError(known);
      return meaningOf(known);
    }
  }

  drop(): void {
    void this.close();
  }

  /** Ends the connection; takes less than two seconds. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#options.link.detach();
    await connection?.close();
  }

  async #dial(assignment: Assignment, signal: AbortSignal): Promise<HubConnection> {
    const { clock, time, logger, methods, counters, settings, hubTimeoutMs } = this.#options;
    const { hubGateway, transport, proxy } = settings();
    const { ca, agent } = await this.#trust();
    const connection: HubConnection = await HubConnection.open(
      {
        hub: assignment.hub,
        deviceId: assignment.deviceId,
        ...(hubGateway === undefined ? {} : { gateway: hubGateway }),
        ...(ca === undefined ? {} : { ca }),
        ...(agent === undefined ? {} : { proxy: agent }),
        ...(hubTimeoutMs === undefined ? {} : { connectTimeoutMs: hubTimeoutMs }),
        webSockets: transport === 'mqtt-websockets' || proxy !== undefined,
        sign: async (data) => this.#sign(assignment, data),
        clock,
        time,
        logger,
        methods,
        onToken: () => (counters.tokens += 1),
        onLost: (error) => this.#lost(connection, error),
        onInvalid: (error) => this.#options.onError(error),
      },
      signal,
    );
    return connection;
  }

  #lost(connection: HubConnection, error: TpeError): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#options.link.detach();
    this.#options.onError(error);
    this.#options.onLost();
  }

  async #trust(): Promise<{ ca?: string; agent?: HttpsProxyAgent<string> }> {
    const { trustedCaFile, proxy } = this.#options.settings();
    const trusted = trustedCaFile === undefined ? {} : { ca: await readTrusted(trustedCaFile) };
    if (proxy === undefined) return trusted;
    return { ...trusted, agent: await makeProxyAgent(proxy, trusted) };
  }

  /** EK, hub, device id and key in one rename. The key in the TPM changes only after it. */
  async #commit(
    { hub, deviceId, key, substatus, payload }: Registration,
    settings: Pick<Assignment, 'endpoint' | 'idScope' | 'registrationId'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { tpm, state, time, logger } = this.#options;
    const ek = await tpm.endorsementKey();
    // The TPM took its time: meanwhile a factory reset may have purged what this would write.
    signal.throwIfAborted();
    await state.save({
      ek: {
        name: ek.name.toString('hex'),
        ...(ek.template === undefined ? {} : { template: ek.template }),
      },
      assignment: {
        ...settings,
        hub,
        deviceId,
        key: { public: key.public.toString('base64'), private: key.private.toString('base64') },
        ...(substatus === undefined ? {} : { substatus }),
        ...(payload === undefined ? {} : { payload }),
        assignedAt: new Date(time.now()).toISOString(),
      },
    });
    logger.info({ hub, deviceId, substatus }, 'registered');
  }

  async #loadKey(assignment: Assignment): Promise<void> {
    if (this.#loaded === assignment) return;
    await this.#options.tpm.loadIdentityKey(keyOf(assignment));
    this.#loaded = assignment;
  }

  /** Signs with the hub key; a TPM that was opened again has forgotten it, then it is loaded once more. */
  async #sign(assignment: Assignment, data: Uint8Array): Promise<Buffer> {
    const { tpm, logger } = this.#options;
    await this.#loadKey(assignment);
    try {
      return await tpm.sign(data);
    } catch (error) {
      logger.warn({ err: reasonOf(error) }, 'signing failed; the hub key is loaded again');
      this.#loaded = undefined;
      await this.#loadKey(assignment);
      return tpm.sign(data);
    }
  }

  /** A CONNACK does not say whether the token was expired; DPS, behind verified TLS, tells the time. */
  async #checkTime(signal: AbortSignal): Promise<void> {
    const { azure, logger, time } = this.#options;
    try {
      const target = parseEndpoint(azure.current().globalEndpoint);
      time.observe(await askTime({ ...target, ...(await this.#trust()), signal }));
      const skewSec = Math.round(time.skewMs() / 1000);
      if (skewSec !== 0) logger.warn({ skewSec }, 'the clock is wrong; tokens are made with the time of DPS');
    } catch (error) {
      logger.debug({ err: reasonOf(error) }, 'DPS could not be asked for the time');
    }
  }
}

/** What a failed attempt to connect means to the state machine. */
function meaningOf(error: TpeError): Input {
  if (isTpeError(error, 'TPM_KEY_REFUSED') || isTpeError(error.cause, 'TPM_KEY_REFUSED'))
    return { type: 'keyLost' };
  if (isTpeError(error, 'HUB_REFUSED')) return { type: 'refused' };
  if (isTpeError(error, 'HUB_TOKEN_FAILED') || error.code.startsWith('TPM_')) return { type: 'tpmFailed' };
  return { type: 'unreachable' };
}

async function readTrusted(path: string): Promise<string> {
  const failed = (reason: string, cause?: unknown): TpeError =>
    new TpeError('FILE_READ_FAILED', { path, reason }, { cause, retryable: true });
  const ca = await readFile(path, 'utf8').catch((error: unknown) => {
    throw failed(reasonOf(error), error);
  });
  // Node.js takes an empty text for "the system's": the file that a power cut emptied must not widen the trust.
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw failed('it holds no PEM certificate');
  return ca;
}
