import { EventEmitter } from 'node:events';
import type { AuthenticationType, TransportConfig } from 'azure-iot-common';
import type { Clock, Timer } from '../../common/clock';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { type SignHmac, makeSasToken } from '../../common/sas-token';
import type { TrustedTime } from '../../common/trusted-time';

const MINUTE = 60_000;

export interface TokenTimes {
  /** Life of a token, milliseconds. */
  readonly lifeMs: number;
  /** Renewed this long before its end… */
  readonly marginMs: number;
  /** …and up to this much earlier, so that gateways that started together do not renew together. */
  readonly jitterMs: number;
  /** After a failed signature; short against the margin, so that several tries fit into it. */
  readonly retryMs: number;
}

const DEFAULT_TIMES: TokenTimes = {
  lifeMs: 60 * MINUTE,
  marginMs: 10 * MINUTE,
  jitterMs: 5 * MINUTE,
  retryMs: 20_000,
};

export interface TokenProviderOptions {
  readonly hub: string;
  readonly deviceId: string;
  /** `host[:port]` to dial instead of the hub. */
  readonly gateway?: string;
  readonly sign: SignHmac;
  readonly clock: Clock;
  readonly time: TrustedTime;
  readonly logger: Logger;
  readonly times?: Partial<TokenTimes>;
  readonly random?: () => number;
  readonly onToken?: () => void;
}

/**
 * Tokens for one IoT Hub connection, signed in the TPM: what azure-iot-device wants from an authentication provider.
 * The SDK's own one opens two connections and ends the process when a signature fails at renewal.
 * Renewal goes by the monotonic clock; only the expiry written into the token is wall-clock time.
 */
export class TpmTokenProvider extends EventEmitter<{ newTokenAvailable: [TransportConfig] }> {
  readonly type: AuthenticationType;
  readonly #options: TokenProviderOptions;
  readonly #times: TokenTimes;
  #timer: Timer | undefined;
  #stopped = false;
  #cached: { config: TransportConfig; until: number } | undefined;

  /** @param type AuthenticationType.Token; given, so that this file loads nothing of the SDK. */
  constructor(type: AuthenticationType, options: TokenProviderOptions) {
    super();
    this.type = type;
    this.#options = options;
    this.#times = { ...DEFAULT_TIMES, ...options.times };
  }

  getDeviceCredentials(callback: (error?: Error, config?: TransportConfig) => void): void;
  getDeviceCredentials(): Promise<TransportConfig>;
  getDeviceCredentials(
    callback?: (error?: Error, config?: TransportConfig) => void,
  ): Promise<TransportConfig> | undefined {
    const credentials = this.#credentials();
    if (callback === undefined) return credentials;
    credentials.then(
      (config) => callback(undefined, config),
      (error: unknown) => callback(error as Error),
    );
    return undefined;
  }

  /** The SDK calls this whenever its connection ends. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Part of the interface; tokens come from the TPM only, so there is nothing to take. */
  updateSharedAccessSignature(): void {
    this.#options.logger.debug('a token from elsewhere was offered and left alone');
  }

  async #credentials(): Promise<TransportConfig> {
    this.#stopped = false;
    const { clock } = this.#options;
    if (this.#cached !== undefined && clock.monotonic() < this.#cached.until) return this.#cached.config;
    const config = await this.#sign();
    this.#planRenewal();
    return config;
  }

  async #sign(): Promise<TransportConfig> {
    const { hub, deviceId, gateway, sign, time, clock, onToken } = this.#options;
    const { lifeMs, marginMs } = this.#times;
    const expirySec = Math.floor((time.now() + lifeMs) / 1000);
    let sharedAccessSignature: string;
    try {
      sharedAccessSignature = await makeSasToken(`${hub}/devices/${deviceId}`, expirySec, sign);
    } catch (error) {
      throw new TpeError('HUB_TOKEN_FAILED', { hub, reason: reasonOf(error) }, { cause: error });
    }
    onToken?.();
    const config: TransportConfig = {
      host: hub,
      deviceId,
      sharedAccessSignature,
      ...(gateway === undefined ? {} : { gatewayHostName: gateway }),
    };
    this.#cached = { config, until: clock.monotonic() + lifeMs - marginMs };
    return config;
  }

  #planRenewal(): void {
    // The token may have come after the attempt that it was for was given up.
    if (this.#stopped) return;
    const { lifeMs, marginMs, jitterMs } = this.#times;
    const random = this.#options.random ?? Math.random;
    this.#after(Math.max(0, lifeMs - marginMs - random() * jitterMs));
  }

  #after(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(delayMs, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { logger, hub } = this.#options;
    try {
      const config = await this.#sign();
      if (this.#stopped) return;
      this.#planRenewal();
      logger.debug({ hub }, 'the hub token was renewed');
      this.emit('newTokenAvailable', config);
    } catch (error) {
      if (this.#stopped) return;
      // The token in use is still good for the margin; the hub ends the connection when it is not.
      logger.warn({ hub, err: reasonOf(error) }, 'the hub token could not be renewed; trying again');
      this.#after(this.#times.retryMs);
    }
  }
}
