import { TpeError, toTpeError } from '../../common/errors/tpe-error';
import { ProvisioningStatus as ProvisioningStatusSchema } from '../../protocol/api-types';
import { type Gateway, nameOf } from '../device';
import type { DpsService } from '../dps/service';
import { type Credentials, login } from '../flow/login';
import { GatewayClient } from '../gateway/client';
import { AzureData } from '../gateway/schemas';
import type { HubService } from '../hub/hub-service';
import type { DeviceRecord } from '../journal/record';
import type { Failure } from '../report/events';
import type { FactoryIndex } from '../trust/factory-index';
import { decideKey } from '../trust/tls-key';
import { compare } from './compare';
import type { CloudView, DeviceView, Inspection } from './views';

export interface InspectOptions {
  readonly credentials: Credentials;
  readonly factory: FactoryIndex;
  readonly trustOnFirstUse: boolean;
  readonly dps: DpsService | undefined;
  readonly hubs: HubService | undefined;
  readonly signal: AbortSignal;
}

function failureOf(error: unknown): Failure {
  const { code, message, advice, retryable } = toTpeError(error);
  return { code, message, advice, retryable };
}

async function askDevice(
  gateway: Gateway,
  record: DeviceRecord | undefined,
  options: InspectOptions,
): Promise<DeviceView> {
  const { pinnedKey } = decideKey(gateway, record, { ...options, replace: false });
  const client = new GatewayClient({ gateway, pinnedKey, signal: options.signal });
  try {
    const { mustChange } = await login(client, options.credentials, record);
    if (mustChange) throw new TpeError('PROVISION_NEW_PASSWORD_NEEDED', { device: nameOf(gateway) });
    const status = await client.read(ProvisioningStatusSchema, 'GET', '/provisioning');
    const { provisioning } = await client.read(AzureData, 'GET', '/azure-iotedge');
    return {
      status,
      registrationId: provisioning.registrationId ?? '',
      idScope: provisioning.scopeId ?? '',
      enabled: provisioning.enable ?? false,
      endorsementKey: provisioning.endorsementKey ?? '',
    };
  } finally {
    client.close();
  }
}

async function askCloud(
  device: DeviceView | undefined,
  record: DeviceRecord | undefined,
  { dps, hubs }: InspectOptions,
): Promise<CloudView> {
  const registrationId = device?.registrationId || record?.registrationId || undefined;
  if (registrationId === undefined) return {};
  const enrollment = dps === undefined ? undefined : ((await dps.find(registrationId)) ?? null);
  const state = enrollment?.registrationState;
  const hubName = state?.assignedHub ?? device?.status.assignedHub ?? record?.assignedHub ?? undefined;
  const hub =
    hubs === undefined || hubName === undefined
      ? undefined
      : ((await hubs.find(hubName, state?.deviceId ?? registrationId)) ?? null);
  return {
    registrationId,
    ...(enrollment === undefined ? {} : { enrollment }),
    ...(hubName === undefined ? {} : { hubName }),
    ...(hub === undefined ? {} : { hub }),
  };
}

/** Asks the gateway and, when given, DPS and hub; who does not answer does not keep the others from it. Never rejects. */
export async function inspect(
  gateway: Gateway,
  record: DeviceRecord | undefined,
  options: InspectOptions,
): Promise<Inspection> {
  let device: DeviceView | undefined;
  let cloud: CloudView = {};
  let failure: Failure | undefined;
  try {
    device = await askDevice(gateway, record, options);
  } catch (error) {
    failure = failureOf(error);
  }
  try {
    cloud = await askCloud(device, record, options);
  } catch (error) {
    failure ??= failureOf(error);
  }
  return {
    gateway,
    ...cloud,
    ...(device === undefined ? {} : { device }),
    ...(failure === undefined ? {} : { failure }),
    disagreements: compare(device, cloud),
  };
}
