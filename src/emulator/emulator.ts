import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../common/clock';
import { TpeError, reasonOf } from '../common/errors/tpe-error';
import type { Logger } from '../common/logger';
import { addAdminApi } from './admin/admin-api';
import { Outages } from './admin/outages';
import { Rearrange } from './admin/rearrange';
import { openAdminToken } from './admin/token';
import { applyWorldFaults } from './admin/world-faults';
import { Counters } from './admin/counters';
import { addDeviceApi } from './dps/device-api';
import { Enrollments } from './dps/enrollments';
import { Enrollment, Registration } from './dps/records';
import { Registrations } from './dps/registrations';
import { addDpsServiceApi } from './dps/service-api';
import { type DpsSettings, defaultDpsSettings } from './dps/settings';
import { type FaultRule, Faults } from './faults/faults';
import { type HttpsApp, newHttpsApp } from './https-app';
import { DeviceRecord } from './hub/device-record';
import { Hub } from './hub/hub';
import type { HubContext } from './hub/hub-context';
import { addHubServiceApi } from './hub/service-api';
import { addWebSockets } from './hub/websocket';
import { createHubServer } from './hub/server';
import { TelemetryLog } from './hub/telemetry-log';
import { openServerIdentity } from './pki/certificates';
import { ServiceClock } from './service-clock';
import { Collection } from './store/collection';
import { CERTIFICATE_NAMES, openInstance } from './store/instance';

export interface EmulatorOptions {
  readonly stateFolder: string;
  /** Address to listen on; loopback unless said otherwise. */
  readonly address?: string;
  /** 0 or absent: a free one. */
  readonly dpsPort?: number;
  readonly servicePort?: number;
  readonly hubPort?: number;
  /** Number of IoT hubs; hubs that exist in the state stay. */
  readonly hubs?: number;
  /** Further DNS names or addresses for the server certificate. */
  readonly names?: readonly string[];
  readonly settings?: Partial<DpsSettings>;
  /** Faults from the start. */
  readonly faults?: readonly FaultRule[];
  readonly logger: Logger;
}

/** The line that tells others where everything is. */
export interface ReadyLine {
  readonly dps: string;
  readonly service: string;
  readonly hub: string;
  readonly hubHostName: string;
  readonly idScope: string;
  readonly ca: string;
  readonly policyName: string;
  readonly policyKey: string;
}

export interface RunningEmulator {
  readonly ready: ReadyLine;
  readonly faults: Faults;
  readonly counters: Counters;
  readonly clock: ServiceClock;
  readonly settings: DpsSettings;
  readonly hubs: ReadonlyMap<string, Hub>;
  stop(): Promise<void>;
}

/** Addresses that are reached as localhost. */
/** How long calls that are being answered may go on once the program is to end. */
const STOP_PATIENCE_MS = 1000;

const LOCAL_ADDRESSES = new Set(['127.0.0.1', '::1', '0.0.0.0', '::', 'localhost']);

async function listen(server: Server, port: number, address: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(new TpeError('EMU_LISTEN_FAILED', { address, port, reason: reasonOf(error) }, { cause: error }));
    server.once('error', failed);
    server.listen(port, address, () => {
      server.off('error', failed);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Starts DPS and hubs. @throws EMU_LISTEN_FAILED, STATE_DAMAGED */
export async function startEmulator(options: EmulatorOptions): Promise<RunningEmulator> {
  const { stateFolder, logger, address = '127.0.0.1' } = options;
  const instance = await openInstance(stateFolder, options.hubs ?? 1);
  const extraNames = [...(LOCAL_ADDRESSES.has(address) ? [] : [address]), ...(options.names ?? [])];
  const hostNames = ['localhost', '127.0.0.1', '::1', ...CERTIFICATE_NAMES, ...extraNames];
  const identity = await openServerIdentity(stateFolder, hostNames);
  const clock = new ServiceClock();
  const settings = { ...defaultDpsSettings, ...options.settings };
  const [faults, counters] = [new Faults(), new Counters()];
  for (const rule of options.faults ?? []) faults.add(rule);

  const hubs = new Map<string, Hub>();
  for (const hub of instance.hubs) {
    const devices = await Collection.open(join(stateFolder, 'hubs', hub.hostName), DeviceRecord);
    hubs.set(hub.hostName, new Hub(hub, devices, clock, logger));
  }
  const enrollmentRecords = await Collection.open(join(stateFolder, 'enrollments'), Enrollment);
  const states = await Collection.open(join(stateFolder, 'registrations'), Registration);
  const { idScope } = instance;
  const registrations = new Registrations({
    idScope,
    enrollments: enrollmentRecords,
    registrations: states,
    hubs,
    clock,
    settings,
    faults,
    logger,
  });
  const enrollments = new Enrollments(enrollmentRecords, states, registrations, clock);

  const deviceApp = newHttpsApp(identity, clock, logger);
  addDeviceApi(deviceApp, { idScope, registrations, settings, faults, counters, clock });
  const serviceApp = newHttpsApp(identity, clock, logger);
  const hosts = [instance.dpsHostName, 'localhost', '127.0.0.1', '[::1]', ...extraNames];
  addDpsServiceApi(serviceApp, { policy: instance.policy, hosts, enrollments, states, faults, clock });

  const context: HubContext = {
    hubs,
    clock,
    faults,
    counters,
    telemetry: new TelemetryLog(),
    logger,
    connections: new Set(),
  };
  const http = createHttpServer((_request, response) => response.writeHead(404).end());
  addWebSockets(http, context);
  addHubServiceApi(serviceApp, context);
  const hubServer = createHubServer(identity, context, http);
  const dropHubConnections = (): void => {
    for (const connection of [...context.connections]) connection.close('the hub is down');
    http.closeAllConnections();
  };
  const rearrange = new Rearrange(hubs, enrollmentRecords, states);
  applyWorldFaults(faults, context, rearrange);
  addAdminApi(serviceApp, {
    token: await openAdminToken(stateFolder),
    faults,
    settings,
    context,
    outages: new Outages({
      dps: { server: deviceApp.server, dropAll: () => deviceApp.server.closeAllConnections() },
      hub: { server: hubServer, dropAll: dropHubConnections },
    }),
    rearrange,
  });

  const start = async (app: HttpsApp, port: number): Promise<number> => {
    await app.ready();
    return await listen(app.server, port, address);
  };
  const stop = async (): Promise<void> => {
    hubServer.close();
    dropHubConnections();
    // What a fault keeps silent, or whose client lost its power, never ends by itself.
    const patience = systemClock.after(STOP_PATIENCE_MS, () => {
      deviceApp.server.closeAllConnections();
      serviceApp.server.closeAllConnections();
    });
    await Promise.all([deviceApp.close(), serviceApp.close()]);
    patience.cancel();
  };
  try {
    const dpsPort = await start(deviceApp, options.dpsPort ?? 0);
    const servicePort = await start(serviceApp, options.servicePort ?? 0);
    const hubPort = await listen(hubServer, options.hubPort ?? 0, address);
    const literal = address.includes(':') ? `[${address}]` : address;
    const name = LOCAL_ADDRESSES.has(address) ? 'localhost' : literal;
    const ready: ReadyLine = {
      dps: `https://${name}:${dpsPort}`,
      service: `https://${name}:${servicePort}`,
      hub: `${name}:${hubPort}`,
      hubHostName: instance.hubs[0]?.hostName ?? '',
      idScope,
      ca: identity.caFile,
      policyName: instance.policy.name,
      policyKey: instance.policy.key,
    };
    return { ready, faults, counters, clock, settings, hubs, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
