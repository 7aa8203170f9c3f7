import type { Client } from 'azure-iot-device';
import type { Clock } from '../../common/clock';
import { TpeError, isTpeError, reasonOf } from '../../common/errors/tpe-error';
import { connectError } from './connect-error';
import type { Dialer } from './dialer';
import type { HubMessage } from './outbox';
import { CONNECT_TIMEOUT_MS, type SdkClient, type SdkClientOptions, makeSdkClient } from './sdk-client';
import type { TpmTokenProvider } from './token-provider';

/** Answers a direct method. `status` is an HTTP-like number, `payload` any JSON. */
export type MethodHandler = (payload: unknown) => Promise<{ status: number; payload: unknown }>;
export type MethodHandlers = Readonly<Record<string, MethodHandler>>;

export interface HubConnectionOptions extends SdkClientOptions {
  readonly methods: MethodHandlers;
  /** Called once when the connection ends by itself. */
  readonly onLost: (error: TpeError) => void;
}

const TWIN_TIMEOUT_MS = 30_000;
const SEND_TIMEOUT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 1500;

/** The SDK's twin, which its declaration leaves untyped where it matters. */
interface SdkTwin {
  readonly properties: {
    readonly reported: { update(patch: object, done: (error?: Error) => void): void };
  };
  on(event: 'properties.desired', listener: (patch: unknown) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
}

/** Rejects with HUB_TIMEOUT when `operation` takes longer. */
async function within<T>(clock: Clock, timeoutMs: number, hub: string, operation: Promise<T>): Promise<T> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = clock.after(timeoutMs, () => reject(new TpeError('HUB_TIMEOUT', { hub, timeoutMs })));
  });
  try {
    return await Promise.race([operation, late]);
  } finally {
    timer?.cancel();
  }
}

/** One MQTT connection to an IoT Hub. Good until it is lost or closed; then a new one is opened. */
export class HubConnection {
  readonly #options: HubConnectionOptions;
  readonly #client: Client;
  readonly #provider: TpmTokenProvider;
  readonly #dialer: Dialer;
  readonly #subscribeDesired: () => Promise<void>;
  #over = false;
  #twin: SdkTwin | undefined;

  private constructor(options: HubConnectionOptions, sdk: SdkClient) {
    this.#options = options;
    this.#client = sdk.client;
    this.#provider = sdk.provider;
    this.#dialer = sdk.dialer;
    this.#subscribeDesired = sdk.subscribeDesired;
  }

  /**
   * Connects and subscribes to direct methods.
   * @throws HUB_REFUSED (CONNACK 2, 4, 5), HUB_UNREACHABLE, HUB_TLS_REFUSED, HUB_TIMEOUT, HUB_TOKEN_FAILED
   */
  static async open(options: HubConnectionOptions, signal: AbortSignal): Promise<HubConnection> {
    const connection = new HubConnection(options, await makeSdkClient(options));
    await connection.#open(signal);
    return connection;
  }

  get hub(): string {
    return this.#options.hub;
  }

  /**
   * Asks for changes of the desired properties, then reads the twin: in this order none is missed in between.
   * @param onDesired gets all desired properties first (`whole`), later the changed ones, each with `$version`; unchecked.
   * @throws HUB_TIMEOUT and what the SDK says
   */
  async openTwin(onDesired: (patch: unknown, whole: boolean) => void): Promise<void> {
    const { clock, hub, logger } = this.#options;
    await within(clock, TWIN_TIMEOUT_MS, hub, this.#subscribeDesired());
    const twin = (await within(clock, TWIN_TIMEOUT_MS, hub, this.#client.getTwin())) as unknown as SdkTwin;
    if (this.#over) throw new TpeError('HUB_NOT_CONNECTED');
    this.#twin = twin;
    twin.on('error', (error) => logger.warn({ hub, err: reasonOf(error) }, 'the twin reported an error'));
    let whole = true;
    // The SDK calls a new listener with all that it has read.
    twin.on('properties.desired', (patch) => {
      onDesired(patch, whole);
      whole = false;
    });
  }

  /** Merges a patch into the reported properties; {@link openTwin} comes first. @throws HUB_TIMEOUT, HUB_NOT_CONNECTED */
  async report(patch: object): Promise<void> {
    const { clock, hub } = this.#options;
    const twin = this.#twin;
    if (twin === undefined || this.#over) throw new TpeError('HUB_NOT_CONNECTED');
    const update = new Promise<void>((resolve, reject) => {
      twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
    });
    await within(clock, TWIN_TIMEOUT_MS, hub, update);
  }

  /** Sends a message with QoS 1; resolves when the hub has it. @throws HUB_TIMEOUT, HUB_NOT_CONNECTED */
  async send({ body, properties, createdAt }: HubMessage): Promise<void> {
    const { clock, hub } = this.#options;
    if (this.#over) throw new TpeError('HUB_NOT_CONNECTED');
    const { Message } = await import('azure-iot-device');
    const message = new Message(body);
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    for (const [name, value] of Object.entries({ ...properties, createdAt })) {
      message.properties.add(name, value);
    }
    await within(clock, SEND_TIMEOUT_MS, hub, this.#client.sendEvent(message));
  }

  /** Ends the connection; never throws, never takes long. */
  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const { clock, hub, logger } = this.#options;
    try {
      await within(clock, CLOSE_TIMEOUT_MS, hub, this.#client.close());
    } catch (error) {
      logger.debug({ hub, err: reasonOf(error) }, 'the hub connection did not end politely');
    } finally {
      this.#release();
    }
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { hub, deviceId, clock, connectTimeoutMs, logger } = this.#options;
    const client = this.#client;
    // An emitter without a listener for `error` throws.
    client.on('error', (error) => logger.debug({ hub, err: reasonOf(error) }, 'the SDK reported an error'));
    const hangUp = (): void => this.#release();
    signal.addEventListener('abort', hangUp, { once: true });
    try {
      signal.throwIfAborted();
      await within(clock, connectTimeoutMs ?? CONNECT_TIMEOUT_MS, hub, client.open());
    } catch (error) {
      this.#over = true;
      this.#release();
      const { lastError } = this.#dialer;
      // Garbage ends in a time-out as well; what mqtt.js said of it is the better reason.
      const late = isTpeError(error, 'HUB_TIMEOUT') && lastError !== undefined;
      if (isTpeError(error) && !late) throw error;
      throw connectError(lastError ?? error, hub, deviceId);
    } finally {
      signal.removeEventListener('abort', hangUp);
    }
    client.on('disconnect', () => this.#lost());
    this.#listen();
  }

  #listen(): void {
    const { methods, logger } = this.#options;
    for (const [name, handler] of Object.entries(methods)) {
      this.#client.onDeviceMethod(name, (request, response) => {
        handler(request.payload)
          .catch((error: unknown) => {
            logger.warn({ method: name, err: reasonOf(error) }, 'a direct method failed');
            return { status: 500, payload: { error: { code: 500, message: reasonOf(error) } } };
          })
          .then(async ({ status, payload }) => response.send(status, payload))
          .catch((error: unknown) =>
            logger.warn({ method: name, err: reasonOf(error) }, 'the answer of a direct method was not sent'),
          );
      });
    }
  }

  #lost(): void {
    if (this.#over) return;
    this.#over = true;
    const { hub, onLost } = this.#options;
    const reason = reasonOf(this.#dialer.lastError ?? 'the hub closed it');
    this.#release();
    onLost(new TpeError('HUB_CONNECTION_LOST', { hub, reason }));
  }

  #release(): void {
    this.#provider.stop();
    this.#provider.removeAllListeners();
    this.#dialer.hangUp();
  }
}
