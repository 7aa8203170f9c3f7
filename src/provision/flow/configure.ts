import type { GatewayClient } from '../gateway/client';
import { AzureData } from '../gateway/schemas';

export interface WriteBack {
  readonly globalEndpoint: string;
  readonly idScope: string;
  readonly registrationId: string;
}

/** Tells the gateway where to register. It stays off until {@link enableProvisioning}. */
export async function writeBack(client: GatewayClient, values: WriteBack): Promise<void> {
  const provisioning = {
    source: 'dps',
    method: 'tpm',
    globalEndpoint: values.globalEndpoint,
    scopeId: values.idScope,
    registrationId: values.registrationId,
  };
  await client.read(AzureData, 'PATCH', '/azure-iotedge', { provisioning });
}

export async function enableProvisioning(client: GatewayClient): Promise<void> {
  await client.read(AzureData, 'PATCH', '/azure-iotedge', { provisioning: { enable: true } });
}

/** Enables and disables services by id. Returns how many were set. */
export async function setServices(
  client: GatewayClient,
  services: { readonly enable: readonly string[]; readonly disable: readonly string[] },
): Promise<number> {
  for (const id of services.enable) {
    await client.call('PUT', `/system/services/${encodeURIComponent(id)}/enable`, { enable: true });
  }
  for (const id of services.disable) {
    await client.call('PUT', `/system/services/${encodeURIComponent(id)}/disable`, { enable: false });
  }
  return services.enable.length + services.disable.length;
}
