import { join } from 'node:path';
import { TpeError, reasonOf } from '../common/errors/tpe-error';
import type { Logger } from '../common/logger';
import { version } from '../common/version';
import { type CloudRole } from './api/cloud-caller';
import { envelopeOf } from './api/plugins/errors';
import type { Settings } from './config/settings';
import type { LifecycleOptions, LifecycleSettings } from './connection/lifecycle';
import type { DeviceIdentity } from './device/types';
import type { CallApi } from './hub/direct-methods';
import { readHealth } from './hub/health';
import { Outbox } from './hub/outbox';
import { twinSections } from './hub/twin-sections';

/** What of the settings file the connection goes by. */
export function lifecycleSettings({ azure }: Settings): LifecycleSettings {
  const { reprovision, trustedCaFile, hubGateway, proxy, transport, telemetryPeriodSec } = azure;
  return {
    reprovision,
    transport: transport,
    telemetryPeriodSec,
    ...(trustedCaFile === undefined ? {} : { trustedCaFile }),
    ...(hubGateway === undefined ? {} : { hubGateway }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

/** Desired properties may do what an operator may: whoever can write them can also call direct methods of the hub. */
const DESIRED_ROLE: CloudRole = 'operator';

/**
 * The REST API as the cloud reaches it. The connection is made before the API, which shows the connection's state:
 * what is called before {@link CloudApi.open} finds it closed.
 */
export class CloudApi {
  readonly #settings: () => Settings;
  readonly #callers = new Map<CloudRole, CallApi>();
  #make: ((role: CloudRole) => CallApi) | undefined;

  constructor(settings: () => Settings) {
    this.#settings = settings;
  }

  open(make: (role: CloudRole) => CallApi): void {
    this.#make = make;
  }

  as(role: CloudRole): CallApi {
    return async (call) => {
      const caller = this.#callers.get(role) ?? this.#make?.(role);
      if (caller === undefined) throw new TpeError('INTERNAL', { reason: 'the API is not open yet' });
      this.#callers.set(role, caller);
      return caller(call);
    };
  }

  /** For the direct method `thingspro-api-v1`: with the role of the settings, 403 when they name none. */
  readonly method: CallApi = async (call) => {
    const { directMethodRole } = this.#settings().azure;
    if (directMethodRole !== undefined) return this.as(directMethodRole)(call);
    return { status: 403, payload: envelopeOf(new TpeError('HUB_METHOD_OFF')) };
  };
}

/** The message store; a disk that does not give one is told, and costs the messages of an offline time only. */
async function openOutbox(stateFolder: string, logger: Logger): Promise<Outbox | undefined> {
  try {
    return await Outbox.open(join(stateFolder, 'outbox'), logger);
  } catch (error) {
    logger.error({ err: reasonOf(error) }, 'messages are not kept while there is no connection');
    return undefined;
  }
}

type CloudFeatures = Pick<
  LifecycleOptions,
  'reportedProperties' | 'applyDesired' | 'apiMethod' | 'health' | 'payload' | 'outbox'
>;

/** What the gateway does for the cloud beside being connected. */
export async function cloudFeatures(
  api: CloudApi,
  { serialNumber, modelName, mac, firmwareVersion }: DeviceIdentity,
  stateFolder: string,
  logger: Logger,
): Promise<CloudFeatures> {
  const agent = { name: 'tpe-agent', version, nodeVersion: process.version, architecture: process.arch };
  const outbox = await openOutbox(stateFolder, logger);
  return {
    reportedProperties: async () => twinSections(api.as('viewer'), agent),
    applyDesired: api.as(DESIRED_ROLE),
    apiMethod: api.method,
    health: async () => Promise.resolve(readHealth()),
    payload: () => ({ serialNumber, modelName, mac, firmwareVersion, agentVersion: version }),
    ...(outbox === undefined ? {} : { outbox }),
  };
}
