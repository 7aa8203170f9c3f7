import { EventEmitter } from 'node:events';
import { Client, type Twin } from 'azure-iot-device';
import { Mqtt, MqttWs } from 'azure-iot-device-mqtt';
import { AuthenticationType, NoRetry, type TransportConfig } from 'azure-iot-common';
import { ProvisioningDeviceClient } from 'azure-iot-provisioning-device';
import { Http as ProvisioningHttp } from 'azure-iot-provisioning-device-http';
import { TpmSecurityClient } from 'azure-iot-security-tpm';
import { ProvisioningServiceClient } from 'azure-iot-provisioning-service';
import type { Swtpm } from '../../support/swtpm';
import type { EmulatorAddresses } from '../../support/emulator';
import { agentTo, httpTo, restClientTo } from './dial';
import { tssTpm } from './swtpm-device';

export interface Assignment {
  readonly assignedHub: string;
  readonly deviceId: string;
  readonly substatus?: string;
  readonly payload?: unknown;
}

type AuthenticationProvider = Parameters<typeof Client.fromAuthenticationProvider>[0];

/** Microsoft's security client on a software TPM. */
export function securityClient(tpm: Swtpm, registrationId: string): TpmSecurityClient {
  return new TpmSecurityClient(registrationId, tssTpm(tpm.socket));
}

export async function endorsementKeyOf(security: TpmSecurityClient): Promise<string> {
  return await new Promise((resolve, reject) => {
    security.getEndorsementKey((error?: Error, ek?: Buffer) => {
      if (error) reject(error);
      else resolve((ek ?? Buffer.alloc(0)).toString('base64'));
    });
  });
}

/** azure-iot-provisioning-service, led to the emulator. */
export function provisioningService(emulator: EmulatorAddresses): ProvisioningServiceClient {
  const { policyName: name, policyKey: key } = emulator.ready;
  const { config, client } = restClientTo(emulator.servicePort, emulator.ca, 'localhost', { name, key });
  // The two packages bring copies of azure-iot-http-base whose types do not know each other.
  return Reflect.construct(ProvisioningServiceClient, [config, client]) as ProvisioningServiceClient;
}

/** azure-iot-provisioning-device with azure-iot-security-tpm, as Microsoft's sample puts them together. */
export async function register(
  emulator: EmulatorAddresses,
  security: TpmSecurityClient,
  payload?: object,
): Promise<Assignment> {
  const transport = new ProvisioningHttp(httpTo(emulator.dpsPort, emulator.ca));
  const { idScope } = emulator.ready;
  const client = ProvisioningDeviceClient.create('localhost', idScope, transport, security);
  if (payload !== undefined) client.setProvisioningPayload(payload);
  const result: unknown = await client.register();
  return (result as { registrationState: Assignment }).registrationState;
}

/** A token of the hub key that the registration left in the TPM. */
export async function hubToken(security: TpmSecurityClient, hub: string, deviceId: string): Promise<string> {
  const resource = encodeURIComponent(`${hub}/devices/${deviceId}`);
  const expiry = Math.floor(Date.now() / 1000) + 3600;
  const signature = await new Promise<Buffer>((resolve, reject) => {
    security.signWithIdentity(Buffer.from(`${resource}\n${expiry}`), (error?: Error, signed?: Buffer) => {
      if (error) reject(error);
      else resolve(signed ?? Buffer.alloc(0));
    });
  });
  const encoded = encodeURIComponent(signature.toString('base64'));
  return `SharedAccessSignature sr=${resource}&sig=${encoded}&se=${expiry}`;
}

/** azure-iot-device over azure-iot-device-mqtt, dialling the emulator as its gateway. */
export async function hubClient(
  emulator: EmulatorAddresses,
  credentials: { hub: string; deviceId: string; token: string },
  webSockets = false,
): Promise<Client> {
  const provider: unknown = Object.assign(new EventEmitter(), {
    type: AuthenticationType.Token,
    automaticRenewal: false,
    stop() {
      // It renews nothing, so nothing has to stop.
    },
    updateSharedAccessSignature() {
      throw new Error('these tests connect with one token');
    },
    getDeviceCredentials(callback: (error: null, value: TransportConfig) => void) {
      callback(null, {
        host: credentials.hub,
        deviceId: credentials.deviceId,
        sharedAccessSignature: credentials.token,
        // Over WebSockets the port is always 443, and the agent below leads elsewhere.
        gatewayHostName: webSockets ? 'localhost' : `localhost:${emulator.hubPort}`,
      });
    },
  });
  const client = Client.fromAuthenticationProvider(
    provider as AuthenticationProvider,
    webSockets ? MqttWs : Mqtt,
  );
  await client.setOptions({
    ca: emulator.ca,
    ...(webSockets ? { mqtt: { webSocketAgent: agentTo(emulator.hubPort, emulator.ca) } } : {}),
  });
  // Otherwise a refused connection is tried again for four minutes.
  client.setRetryPolicy(new NoRetry());
  return client;
}

/** Reports twin properties and waits until the hub has them. The package's twin is untyped. */
export async function reportTo(twin: Twin, patch: object): Promise<void> {
  const { reported } = twin.properties as unknown as {
    reported: { update(patch: object, done: (error: Error | null) => void): void };
  };
  await new Promise<void>((resolve, reject) => {
    reported.update(patch, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** The desired properties that the twin holds. */
export function desiredOf(twin: Twin): Record<string, unknown> {
  return (twin.properties as unknown as { desired: Record<string, unknown> }).desired;
}
