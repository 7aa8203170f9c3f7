import type { EventEmitter } from 'node:events';
import type { Agent } from 'node:http';
import { TpeError } from '../../common/errors/tpe-error';
import { serverIdentityProblem } from '../../common/http/server-identity';
import type { IClientOptions, MqttClient } from 'mqtt';

export type MqttConnect = (uri: string, options: IClientOptions) => MqttClient;

export interface DialOptions {
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
  readonly connectTimeoutMs: number;
  readonly keepAliveSec: number;
  /** MQTT over WebSockets on port 443 instead of MQTT on 8883. */
  readonly webSockets: boolean;
  /** HTTP proxy for WebSockets, made by https-proxy-agent for this connection alone. */
  readonly proxy?: Agent & EventEmitter;
}

/** mqtt.js hands these to `tls.connect`; its types know only the first. */
const TLS = { rejectUnauthorized: true, checkServerIdentity: serverIdentityProblem };

/** `mqtts://HOST[:PORT]` of the SDK as the address of IoT Hub's WebSocket. */
function webSocketUri(uri: string): string {
  const host = uri.slice('mqtts://'.length);
  return `wss://${host}${/:\d+$/.test(host) ? '' : ':443'}/$iothub/websocket`;
}

/**
 * Dials for azure-iot-mqtt-base, which fixes the time-out at 60 s and loses CONNACK code and TLS error on the way up.
 */
export class Dialer {
  readonly #options: DialOptions;
  #client: MqttClient | undefined;
  #lastError: unknown;
  #hungUp = false;
  #proxyRefusal: TpeError | undefined;

  readonly #connect: MqttConnect;

  /** @param connect `mqtt.connect`; given, so that this file loads nothing of mqtt. @param hub for error sentences. */
  constructor(connect: MqttConnect, hub: string, options: DialOptions) {
    this.#connect = connect;
    this.#options = options;
    options.proxy?.on('proxyConnect', ({ statusCode: proxyStatus }: { statusCode: number }) => {
      const url = hub;
      this.#proxyRefusal =
        proxyStatus === 200 ? undefined : new TpeError('HTTP_PROXY_REFUSED', { url, proxyStatus });
    });
  }

  /** What mqtt.js said last; a proxy's refusal is told instead, because what follows it is no TLS. */
  get lastError(): unknown {
    return this.#proxyRefusal ?? this.#lastError;
  }

  /** Called by azure-iot-mqtt-base as `mqtt.connect` would be, at the first connection and at every token renewal. */
  connect(uri: string, options: IClientOptions): MqttClient {
    const { ca, connectTimeoutMs, keepAliveSec, webSockets, proxy } = this.#options;
    const client = this.#connect(webSockets ? webSocketUri(uri) : uri, {
      ...options,
      ...(ca === undefined ? {} : { ca }),
      connectTimeout: connectTimeoutMs,
      keepalive: keepAliveSec,
      ...TLS,
      ...(proxy === undefined ? {} : { wsOptions: { agent: proxy } }),
    });
    client.on('error', (error) => (this.#lastError = error));
    this.#client = client;
    // The SDK dials when a token is signed, which may be after the attempt was given up.
    if (this.#hungUp) client.end(true);
    return client;
  }

  /** Closes the socket at once and for good, whatever the SDK is waiting for. */
  hangUp(): void {
    this.#hungUp = true;
    this.#client?.end(true);
  }
}
