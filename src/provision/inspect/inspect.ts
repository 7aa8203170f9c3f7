import { TpeError, toTpeError } from '../../common/errors/tpe-error';
import type { ProvisioningStatus } from '../../protocol/api-types';
import { ProvisioningStatus as ProvisioningStatusSchema } from '../../protocol/api-types';
import { type Gateway, nameOf } from '../device';
import type { Enrollment } from '../dps/enrollment';
import type { DpsService } from '../dps/service';
import { type Credentials, login } from '../flow/login';
import { GatewayClient } from '../gateway/client';
import { AzureData } from '../gateway/schemas';
import type { FactoryIndex } from '../trust/factory-index';
import { decideKey } from '../trust/tls-key';
import type { DeviceRecord } from '../journal/record';
import type { Failure } from '../report/events';

/** What device and DPS say about one gateway, side by side. */
export interface Inspection {
  readonly gateway: Gateway;
  readonly device?: {
    readonly status: ProvisioningStatus;
    readonly registrationId: string;
    readonly idScope: string;
    readonly enabled: boolean;
    readonly endorsementKey: string;
    /** The account still has its initial password. */
    readonly initialPassword: boolean;
  };
  /** `null`: there is no enrollment. Absent: DPS was not asked. */
  readonly enrollment?: Enrollment | null;
  readonly failure?: Failure;
  /** Sentences, one for each thing that does not fit. */
  readonly disagreements: readonly string[];
}

function failureOf(error: unknown): Failure {
  const { code, message, advice, retryable } = toTpeError(error);
  return { code, message, advice, retryable };
}

function compare(
  device: NonNullable<Inspection['device']>,
  enrollment: Enrollment | null | undefined,
): string[] {
  const found: string[] = [];
  if (!device.enabled) found.push('provisioning is switched off on the gateway');
  if (device.status.state !== 'connected') {
    const last = device.status.lastError;
    found.push(
      `the gateway is ${device.status.state}, not connected${last === undefined ? '' : ` (${last.code}: ${last.message})`}`,
    );
  }
  if (enrollment === undefined) return found;
  if (enrollment === null) return [...found, `DPS has no enrollment ${device.registrationId}`];
  if (enrollment.attestation.tpm?.endorsementKey !== device.endorsementKey) {
    found.push('the enrollment holds another endorsement key than the gateway has');
  }
  if (enrollment.provisioningStatus === 'disabled') found.push('the enrollment is disabled');
  const registered = enrollment.registrationState;
  const hub = registered?.assignedHub ?? undefined;
  if (hub !== undefined && device.status.assignedHub !== undefined && hub !== device.status.assignedHub) {
    found.push(`DPS assigned ${hub}, the gateway is at ${device.status.assignedHub}`);
  }
  if (
    device.status.state === 'connected' &&
    registered?.status !== undefined &&
    registered.status !== 'assigned'
  ) {
    found.push(`DPS calls the registration ${registered.status}`);
  }
  return found;
}

/** Asks the gateway and, when given, DPS. Never rejects. */
export async function inspect(
  gateway: Gateway,
  options: {
    credentials: Credentials;
    factory: FactoryIndex;
    record?: DeviceRecord | undefined;
    trustOnFirstUse: boolean;
    dps?: DpsService | undefined;
    signal: AbortSignal;
  },
): Promise<Inspection> {
  let client: GatewayClient | undefined;
  try {
    const { pinnedKey } = decideKey(gateway, options.record, { ...options, replace: false });
    client = new GatewayClient({ gateway, pinnedKey, signal: options.signal });
    const { mustChange } = await login(client, options.credentials, options.record);
    if (mustChange) throw new TpeError('PROVISION_NEW_PASSWORD_NEEDED', { device: nameOf(gateway) });
    const status = await client.read(ProvisioningStatusSchema, 'GET', '/provisioning');
    const { provisioning } = await client.read(AzureData, 'GET', '/azure-iotedge');
    const device = {
      status,
      registrationId: provisioning.registrationId ?? '',
      idScope: provisioning.scopeId ?? '',
      enabled: provisioning.enable ?? false,
      endorsementKey: provisioning.endorsementKey ?? '',
      initialPassword: mustChange,
    };
    const enrollment =
      options.dps === undefined || device.registrationId === ''
        ? undefined
        : ((await options.dps.find(device.registrationId)) ?? null);
    return {
      gateway,
      device,
      ...(enrollment === undefined ? {} : { enrollment }),
      disagreements: compare(device, enrollment),
    };
  } catch (error) {
    return { gateway, failure: failureOf(error), disagreements: [] };
  } finally {
    client?.close();
  }
}
