import { Agent } from 'node:https';
import { type ConnectionOptions, connect } from 'node:tls';
import { Http, RestApiClient } from 'azure-iot-http-base';
import { SharedAccessSignature } from 'azure-iot-common';

/** Microsoft's clients always dial port 443 of a host name: this agent leads them to a port on this machine. */
export function agentTo(port: number, ca: string): Agent {
  const agent = new Agent({ keepAlive: false });
  // An upgrade request carries its URL path, which tls.connect would take for a Unix socket.
  const dial = (options: ConnectionOptions) => {
    const { servername = 'localhost' } = options;
    return connect({ ...options, path: undefined, host: '127.0.0.1', port, ca, servername });
  };
  return Object.assign(agent, { createConnection: dial });
}

/** azure-iot-http-base's client, dialling a port on this machine. */
export function httpTo(port: number, ca: string): Http {
  const http = new Http();
  http.setOptions({ http: { agent: agentTo(port, ca) } });
  return http;
}

/** azure-iothub gives its client a new agent, which would dial the real port again. */
class SteadyRestApiClient extends RestApiClient {
  override setOptions(): void {
    // The HTTP layer below has its agent already.
  }
}

/** What Microsoft's service clients send their requests through. */
export function restClientTo(
  port: number,
  ca: string,
  host: string,
  policy: { name: string; key: string },
): { config: RestApiClient.TransportConfig; client: RestApiClient } {
  const expiry = Math.floor(Date.now() / 1000) + 3600;
  const sas = SharedAccessSignature.create(host, policy.name, policy.key, expiry);
  const config = { host, sharedAccessSignature: sas };
  return { config, client: new SteadyRestApiClient(config, 'interop', httpTo(port, ca)) };
}
