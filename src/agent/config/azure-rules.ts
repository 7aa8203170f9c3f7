import type { AzureProvisioning } from '../../protocol/api-types';
import { TpeError } from '../../common/errors/tpe-error';

/** What is stored behind `/azure-iotedge`: `data.provisioning` without what is computed. */
export type AzureProvisioningSettings = Omit<AzureProvisioning, 'endorsementKey'>;

/** What a client may send; `source` and `method` are any text, because refusing them is this file's job. */
export interface AzureProvisioningChange {
  readonly enable?: boolean;
  readonly source?: string;
  readonly method?: string;
  readonly globalEndpoint?: string;
  readonly scopeId?: string;
  readonly registrationId?: string;
}

export const DEFAULT_GLOBAL_ENDPOINT = 'https://global.azure-devices-provisioning.net';

const LONGEST_ID = 128;

/**
 * DPS hosts of Azure's clouds. The top-level domains are named one by one: anybody could register
 * azure-devices-provisioning under another one.
 */
const AZURE_DPS_HOST = /^(?:[a-z0-9-]+\.)+azure-devices-provisioning\.(?:net|us|cn|de)$/;

/** Host and port of a `globalEndpoint`. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Parses `https://HOST[:PORT]`; the port is 443 when absent.
 * @throws AZURE_ENDPOINT_SCHEME, AZURE_ENDPOINT_INVALID
 */
export function parseEndpoint(endpoint: string): Endpoint {
  if (!endpoint.startsWith('https://')) throw new TpeError('AZURE_ENDPOINT_SCHEME');
  if (!URL.canParse(endpoint)) throw new TpeError('AZURE_ENDPOINT_INVALID');
  const url = new URL(endpoint);
  const extra =
    url.username + url.password + url.search + url.hash + (url.pathname === '/' ? '' : url.pathname);
  if (extra !== '' || url.hostname === '') throw new TpeError('AZURE_ENDPOINT_INVALID');
  return {
    host: url.hostname.replace(/^\[|\]$/g, '').toLowerCase(),
    port: url.port === '' ? 443 : Number(url.port),
  };
}

/**
 * Whether the agent may prove its TPM to this endpoint. A registration token's audience names no host, so a rogue
 * endpoint could relay the challenge of the real one.
 * @param dpsHosts further hosts of the settings file, each `HOST` (any port) or `HOST:PORT`.
 */
export function isAllowedDpsHost({ host, port }: Endpoint, dpsHosts: readonly string[]): boolean {
  if (AZURE_DPS_HOST.test(host)) return true;
  const names = dpsHosts.map((name) => name.toLowerCase());
  const literal = host.includes(':') ? `[${host}]` : host;
  return names.includes(host) || names.includes(literal) || names.includes(`${literal}:${port}`);
}

function isSource(text: string): text is AzureProvisioningSettings['source'] {
  return text === 'manual' || text === 'dps';
}

function isMethod(text: string): text is AzureProvisioningSettings['method'] {
  return text === 'tpm' || text === 'symmetricKey' || text === 'x509';
}

/** What the rules need to know of this gateway. */
export interface AzureRuleFacts {
  readonly dpsHosts: readonly string[];
  readonly hasTpm: () => boolean;
}

/**
 * The settings after a change, or the refusal that ThingsPro Edge documents.
 * @throws AZURE_*, HTTP status 400
 */
export function applyAzureChange(
  settings: AzureProvisioningSettings,
  change: AzureProvisioningChange,
  facts: AzureRuleFacts,
): AzureProvisioningSettings {
  const source = change.source ?? settings.source;
  const method = change.method ?? settings.method;
  if (!isSource(source)) throw new TpeError('AZURE_SOURCE_INVALID');
  if (!isMethod(method)) throw new TpeError('AZURE_METHOD_INVALID');
  const next: AzureProvisioningSettings = {
    enable: change.enable ?? settings.enable,
    source,
    method,
    globalEndpoint: change.globalEndpoint ?? settings.globalEndpoint,
    scopeId: change.scopeId ?? settings.scopeId,
    registrationId: change.registrationId ?? settings.registrationId,
  };

  const endpoint = parseEndpoint(next.globalEndpoint);
  if (!isAllowedDpsHost(endpoint, facts.dpsHosts)) {
    throw new TpeError('AZURE_ENDPOINT_NOT_ALLOWED', { host: endpoint.host });
  }
  if (next.scopeId.length > LONGEST_ID) throw new TpeError('AZURE_SCOPE_ID_LENGTH');
  if (next.registrationId.length > LONGEST_ID) throw new TpeError('AZURE_REGISTRATION_ID_LENGTH');
  if (!/^[a-z0-9-]*$/.test(next.registrationId)) throw new TpeError('AZURE_REGISTRATION_ID_CHARACTERS');
  if (source === 'dps') {
    if (next.scopeId === '') throw new TpeError('AZURE_SCOPE_ID_MISSING');
    if (next.registrationId === '') throw new TpeError('AZURE_REGISTRATION_ID_MISSING');
    if (method === 'tpm' && !facts.hasTpm()) throw new TpeError('AZURE_TPM_MISSING');
  }
  if (next.enable && (source !== 'dps' || method !== 'tpm')) throw new TpeError('AZURE_NOT_DPS_TPM');
  return next;
}
