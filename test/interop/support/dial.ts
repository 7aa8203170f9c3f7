import { Agent } from 'node:https';
import { type ConnectionOptions, connect } from 'node:tls';
import { Http, RestApiClient } from 'azure-iot-http-base';
import { SharedAccessSignature } from 'azure-iot-common';

/** Microsoft's clients always dial port 443 of a host name: this agent leads them to a port on this machine. */
export function agentTo(port: number, ca: string): Agent {
  const agent = new Agent({ keepAlive: false });
  const dial = (options: ConnectionOptions) =>
    connect({ ...options, host: '127.0.0.1', port, ca, servername: options.servername ?? 'localhost' });
  return Object.assign(agent, { createConnection: dial });
}

/** azure-iot-http-base's client, dialling a port on this machine. */
export function httpTo(port: number, ca: string): Http {
  const http = new Http();
  http.setOptions({ http: { agent: agentTo(port, ca) } });
  return http;
}

/** What azure-iot-provisioning-service sends its requests through. */
export function restClientTo(
  port: number,
  ca: string,
  host: string,
  policy: { name: string; key: string },
): { config: RestApiClient.TransportConfig; client: RestApiClient } {
  const expiry = Math.floor(Date.now() / 1000) + 3600;
  const sas = SharedAccessSignature.create(host, policy.name, policy.key, expiry);
  const config = { host, sharedAccessSignature: sas };
  return { config, client: new RestApiClient(config, 'interop', httpTo(port, ca)) };
}
