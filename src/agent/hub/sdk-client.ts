import type { AuthenticationProvider } from 'azure-iot-common';
import type { Client } from 'azure-iot-device';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { type DialOptions, Dialer } from './dialer';
import { TpmTokenProvider, type TokenProviderOptions } from './token-provider';

export interface SdkClientOptions extends TokenProviderOptions, Partial<DialOptions> {
  /** Something of the hub could not be read; told at most once a second. */
  readonly onInvalid?: (error: TpeError) => void;
}

export const CONNECT_TIMEOUT_MS = 20_000;
/** Half-open connections are noticed after one and a half of these (MQTT 3.1.1, 3.1.2.10). */
const KEEP_ALIVE_SEC = 120;
/** A hub that sends nothing but garbage must not fill the journal. */
const TELL_EVERY_MS = 1000;

/** A client of azure-iot-device with the parts of ours that it is made of. */
export interface SdkClient {
  readonly client: Client;
  readonly provider: TpmTokenProvider;
  readonly dialer: Dialer;
  /** Resolves when the hub will tell every change of the desired properties. */
  readonly subscribeDesired: () => Promise<void>;
}

/** Loads the SDK and makes a client that is not connected yet. */
export async function makeSdkClient(options: SdkClientOptions): Promise<SdkClient> {
  const [device, deviceMqtt, base, common, mqtt] = await Promise.all([
    import('azure-iot-device'),
    import('azure-iot-device-mqtt'),
    import('azure-iot-mqtt-base'),
    import('azure-iot-common'),
    import('mqtt'),
  ]);
  const { hub, clock, onInvalid } = options;
  let toldAt = -TELL_EVERY_MS;

  /** A garbled packet makes the SDK's handlers throw out of any call stack of ours, which would end the process. */
  class GuardedMqttBase extends base.MqttBase {
    override emit(event: string | symbol, ...rest: unknown[]): boolean {
      try {
        return super.emit(event, ...rest);
      } catch (error) {
        if (clock.monotonic() - toldAt >= TELL_EVERY_MS) {
          toldAt = clock.monotonic();
          onInvalid?.(new TpeError('HUB_PACKET_INVALID', { hub, reason: reasonOf(error) }, { cause: error }));
        }
        return true;
      }
    }
  }
  const provider = new TpmTokenProvider(common.AuthenticationType.Token, options);
  const dialer = new Dialer(mqtt.connect, hub, {
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
    webSockets: options.webSockets ?? false,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    keepAliveSec: options.keepAliveSec ?? KEEP_ALIVE_SEC,
  });
  type Transport = InstanceType<typeof deviceMqtt.Mqtt>;
  const made: Transport[] = [];
  class OwnTransport extends deviceMqtt.Mqtt {
    constructor(authentication: AuthenticationProvider) {
      super(authentication, new GuardedMqttBase(dialer));
      made.push(this);
    }
  }
  const client = device.Client.fromAuthenticationProvider(provider, OwnTransport);
  // Trying again is the state machine's business; the SDK's own would hide what happens for four minutes.
  client.setRetryPolicy(new common.NoRetry());
  return {
    client,
    provider,
    dialer,
    subscribeDesired: async () => {
      await Promise.all(
        made.map(
          async (transport) =>
            new Promise<void>((resolve, reject) => {
              transport.enableTwinDesiredPropertiesUpdates((error) => (error ? reject(error) : resolve()));
            }),
        ),
      );
    },
  };
}
