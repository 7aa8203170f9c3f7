import type { Clock } from '../common/clock';
import { isTpeError, toTpeError } from '../common/errors/tpe-error';
import type { Logger } from '../common/logger';
import { Accounts } from './accounts/accounts';
import { PasswordHasher } from './accounts/password-hasher';
import { allowList } from './api/allow-list';
import { buildApi } from './api/build-api';
import { type CloudRole, cloudCaller } from './api/cloud-caller';
import { ConnectionGuard } from './api/connection-guard';
import type { ApiDependencies, ApiTpm } from './api/dependencies';
import { CloudPass } from './api/plugins/cloud-pass';
import { innerServices } from './api/inner-services';
import { resetScopes } from './api/reset-scopes';
import { ApiServer } from './api/server';
import { loadOrCreateTlsIdentity } from './api/tls-identity';
import { factoryStateFile } from './config/factory-state';
import type { Settings } from './config/settings';
import { openDeviceSettings } from './device/device-settings';
import { listInterfaces } from './device/interfaces';
import type { DeviceIdentity } from './device/types';
import { Discovery } from './discovery/discovery';
import { DiscoveryResponder } from './discovery/responder';
import type { CallApi } from './hub/direct-methods';
import { ServiceCatalogue } from './services/catalogue';
import { Ethernets } from './services/ethernet';
import { HelperClient, type HostControl } from './services/helper-client';
import { AuditTrail } from './system/audit';

export interface ManagementOptions {
  readonly settings: Pick<Settings, 'paths' | 'api' | 'discovery'> & {
    readonly tpm?: Pick<Settings['tpm'], 'ekCaFolder'>;
  };
  readonly identity: DeviceIdentity;
  readonly tpm: ApiTpm | undefined;
  readonly azure: ApiDependencies['azure'];
  readonly provisioning: ApiDependencies['provisioning'];
  /** Something was changed through the API. */
  readonly onChange?: () => void;
  /** Everything back to the factory; the process ends soon after. */
  readonly onFactoryReset: () => Promise<void>;
  readonly host?: HostControl;
  readonly hasher?: PasswordHasher;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What people on the plant's network manage the gateway with: accounts, API, discovery, services, audit trail. */
export interface Management {
  readonly accounts: Accounts;
  readonly hasher: PasswordHasher;
  readonly audit: AuditTrail;
  readonly discovery: Discovery;
  readonly responder: DiscoveryResponder;
  readonly server: ApiServer;
  readonly api: ReturnType<typeof buildApi>;
  readonly tlsKeySha256: string;
  /** What direct methods call the API with. */
  callApi(role: CloudRole): CallApi;
  /** HTTPS first, then discovery, which tells its port. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

function localAddresses(): string[] {
  return listInterfaces().flatMap(({ addresses }) => addresses.map(({ address }) => address));
}

/** Opens what is stored and joins the parts; nothing listens before {@link Management.start}. */
export async function openManagement(options: ManagementOptions): Promise<Management> {
  const { clock, identity, logger, settings, azure, provisioning } = options;
  const stateFolder = settings.paths.state;
  const hasher = options.hasher ?? new PasswordHasher();
  const host = options.host ?? new HelperClient();
  const guard = new ConnectionGuard(allowList(settings.api.allow));
  const [audit, accounts, tls, deviceSettings] = await Promise.all([
    AuditTrail.open({ folder: settings.paths.audit, clock, logger }),
    Accounts.open({ stateFolder, clock, hasher }),
    loadOrCreateTlsIdentity(stateFolder, identity, localAddresses()),
    openDeviceSettings(stateFolder),
  ]);
  const ethernets = new Ethernets({ host, logger });
  const server = new ApiServer({
    stateFolder,
    address: settings.api.address,
    port: settings.api.port,
    httpPort: settings.api.httpPort,
    tls,
    deviceSettings,
    guard,
    onConnection: (connection) => ethernets.connected(connection),
    addresses: localAddresses,
    clockIsTrusted: () => provisioning.status().state === 'connected',
    clock,
    logger,
  });
  const responder = new DiscoveryResponder({
    identity,
    port: settings.discovery.port,
    address: settings.discovery.address,
    only: settings.discovery.interfaces,
    endpoint: () => ({ port: server.port, keySha256: server.keySha256() }),
    interfaces: listInterfaces,
    clock,
    logger: logger.child({ part: 'discovery' }),
  });
  const discovery = await Discovery.open({ stateFolder, responder, clock, logger });
  const services = await ServiceCatalogue.open({
    stateFolder,
    inner: innerServices({ azure, discovery, server }),
    host,
    clock,
  });
  const initialPasswordHash = async (): Promise<string | undefined> =>
    (await factoryStateFile(stateFolder).load())?.initialPasswordHash;
  const cloudPass = new CloudPass();
  const api = buildApi(
    {
      identity,
      accounts,
      hasher,
      audit,
      tpm: options.tpm,
      ekCaFolder: options.settings.tpm?.ekCaFolder,
      azure,
      provisioning,
      discovery,
      services,
      deviceSettings,
      ethernets,
      host,
      httpServer: server,
      guard,
      reset: resetScopes({
        accounts,
        azure,
        discovery,
        initialPasswordHash,
        everything: options.onFactoryReset,
      }),
      clock,
      logger: logger.child({ part: 'api' }),
    },
    { cloudPass },
  );
  const { onChange } = options;
  api.addHook('onResponse', (request, reply, done) => {
    if (request.method !== 'GET' && reply.statusCode < 300) onChange?.();
    done();
  });
  return {
    accounts,
    hasher,
    audit,
    discovery,
    responder,
    server,
    api,
    tlsKeySha256: tls.spkiSha256,
    callApi: (role) => cloudCaller(api, cloudPass, role),
    start: async () => {
      await server.start(api);
      await discovery.start().catch((error: unknown) => {
        // Somebody else on the port must not make the gateway unmanageable.
        if (!isTpeError(error, 'DISCOVERY_PORT_UNUSABLE')) throw error;
        logger.error({ ...error.toJSON() }, 'discovery does not answer');
      });
      // Not waited for: systemd may have to start the helper first.
      services.reconcile().catch((error: unknown) => {
        logger.error({ ...toTpeError(error).toJSON() }, 'the services are not as they are wanted');
      });
    },
    stop: async () => {
      await discovery.stop();
      await server.stop();
      await audit.close();
    },
  };
}
