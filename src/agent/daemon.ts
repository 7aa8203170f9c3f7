import { mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock as clock } from '../common/clock';
import { TpeError, isTpeError, reasonOf, toTpeError } from '../common/errors/tpe-error';
import type { Logger } from '../common/logger';
import { builtAtMs, version } from '../common/version';
import { Accounts } from './accounts/accounts';
import { PasswordHasher } from './accounts/password-hasher';
import { agentTpm } from './agent-tpm';
import { buildApi } from './api/build-api';
import { loadOrCreateTlsIdentity } from './api/tls-identity';
import { AzureConfiguration } from './config/azure-configuration';
import { lockState } from './config/instance-lock';
import type { Settings } from './config/settings';
import { ConnectionStore } from './connection/connection-store';
import { Lifecycle, type LifecycleSettings } from './connection/lifecycle';
import { controlHandlers } from './control-handlers';
import { readDeviceIdentity } from './device/identity';
import { listInterfaces } from './device/interfaces';
import type { DeviceIdentity } from './device/types';
import { Discovery } from './discovery/discovery';
import { DiscoveryResponder } from './discovery/responder';
import { finishFactoryReset, restoreInitialAccounts } from './local/factory-reset';
import { ServiceCatalogue } from './services/catalogue';
import { ControlServer } from './system/control';
import { CONTROL_SOCKET } from './system/control-protocol';
import type { ServiceManager } from './system/notify';
import { StateMachineProof } from './system/proofs';
import { Watchdog } from './system/watchdog';

/** A running agent. */
export interface Daemon {
  /** Ports that are bound. */
  readonly apiPort: number;
  readonly discoveryPort: number | undefined;
  /** Takes over what can change while running: log level and connection. */
  reload(settings: Settings): void;
  /** Ends everything in order; takes less than four seconds. */
  stop(): Promise<void>;
}

export interface DaemonOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly serviceManager: ServiceManager;
  /** A factory reset was asked for: to be stopped and started again. */
  readonly onRestart: () => void;
}

function lifecycleSettings({ azure }: Settings): LifecycleSettings {
  const { reprovision, trustedCaFile, hubGateway } = azure;
  return {
    reprovision,
    ...(trustedCaFile === undefined ? {} : { trustedCaFile }),
    ...(hubGateway === undefined ? {} : { hubGateway }),
  };
}

function localAddresses(): string[] {
  return listInterfaces().flatMap(({ addresses }) => addresses.map(({ address }) => address));
}

/** Runs the steps of a shutdown one after the other; one that fails is told and keeps none of the others back. */
class Teardown {
  readonly #steps: { name: string; run: () => Promise<void> | void }[] = [];

  /** Later steps are undone first. */
  add(name: string, run: () => Promise<void> | void): void {
    this.#steps.unshift({ name, run });
  }

  async run(logger: Logger): Promise<void> {
    for (const { name, run } of this.#steps.splice(0)) {
      try {
        await run();
      } catch (error) {
        logger.error({ part: name, reason: reasonOf(error) }, 'could not be stopped in order');
      }
    }
  }
}

/**
 * Composes and starts the agent. Resolves when HTTPS and discovery listen and the TPM has answered or was found missing.
 * @throws what keeps the agent from being reachable: STATE_*, API and TLS errors. A TPM or a cloud that is not there
 *   does not: the gateway has to stay manageable then.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const teardown = new Teardown();
  try {
    return await start(options, teardown);
  } catch (error) {
    await teardown.run(options.logger);
    throw error;
  }
}

async function start(
  { settings, logger, serviceManager, onRestart }: DaemonOptions,
  teardown: Teardown,
): Promise<Daemon> {
  const startedAtMs = clock.now();
  const stateFolder = settings.paths.state;
  const paths = { state: stateFolder, audit: settings.paths.audit };
  await prepareStateFolder(stateFolder);
  const lock = await lockState(stateFolder);
  teardown.add('state lock', () => lock.release());
  if (await finishFactoryReset(paths)) logger.warn('a factory reset was carried out');
  await restoreInitialAccounts(paths);

  const identity = await readDeviceIdentity(settings.device);
  const store = await ConnectionStore.open(stateFolder);
  const { tpm, proof, present } = agentTpm(settings.tpm, () => store.expectedEkName(), clock, logger);
  teardown.add('TPM', () => tpm.close());
  // In parallel with the rest: a slow chip must not delay discovery by more than it needs.
  const tpmAnswer = tpm.info().then(
    ({ manufacturer, firmwareVersion, tcti }) => logger.info({ manufacturer, firmwareVersion, tcti }, 'TPM'),
    (error: unknown) => logger.error({ ...toTpeError(error).toJSON() }, 'the TPM cannot be used yet'),
  );

  const azure = await AzureConfiguration.open(stateFolder, {
    hasTpm: present,
    dpsHosts: settings.azure.dpsHosts,
    defaultRegistrationId: identity.serialNumber.toLowerCase(),
  });
  const hasher = new PasswordHasher();
  const [accounts, tls] = await Promise.all([
    Accounts.open({ stateFolder, clock, hasher }),
    loadOrCreateTlsIdentity(stateFolder, identity, localAddresses()),
  ]);

  const stateProof = new StateMachineProof(clock);
  const lifecycle = new Lifecycle({
    tpm,
    azure,
    state: store,
    clock,
    logger: logger.child({ part: 'connection' }),
    settings: lifecycleSettings(settings),
    builtAtMs,
    reportedProperties: () => Promise.resolve(reported(identity, settings)),
  });

  let apiPort = settings.api.port;
  const responder = new DiscoveryResponder({
    identity,
    port: settings.discovery.port,
    address: settings.discovery.address,
    endpoint: () => ({ port: apiPort, keySha256: tls.spkiSha256 }),
    interfaces: listInterfaces,
    clock,
    logger: logger.child({ part: 'discovery' }),
  });
  const discovery = await Discovery.open({ stateFolder, responder, clock, logger });
  const services = await ServiceCatalogue.open({
    stateFolder,
    inner: {
      httpsservice: {
        isEnabled: () => true,
        setEnabled: () => Promise.resolve(),
        protectedBecause: 'it is the way in',
      },
      provision: {
        isEnabled: () => discovery.provision.enable,
        setEnabled: (enable) => discovery.setProvision({ ...discovery.provision, enable }),
      },
      provisionschedule: {
        isEnabled: () => discovery.provision.schedule.enable,
        setEnabled: (enable) =>
          discovery.setProvision({
            ...discovery.provision,
            schedule: { ...discovery.provision.schedule, enable },
          }),
      },
    },
  });

  const api = buildApi(
    {
      identity,
      accounts,
      tpm,
      azure,
      provisioning: lifecycle,
      discovery,
      services,
      clock,
      logger: logger.child({ part: 'api' }),
    },
    { https: { key: tls.key, cert: tls.cert } },
  );
  teardown.add('API', () => api.close());
  await api.listen({ host: settings.api.address, port: settings.api.port }).catch((error: unknown) => {
    const { address, port } = settings.api;
    throw new TpeError('API_LISTEN_FAILED', { address, port, reason: reasonOf(error) }, { cause: error });
  });
  apiPort = (api.server.address() as AddressInfo).port;

  teardown.add('discovery', () => discovery.stop());
  await discovery.start().catch((error: unknown) => {
    // Somebody else on the port must not make the gateway unmanageable.
    if (!isTpeError(error, 'DISCOVERY_PORT_UNUSABLE')) throw error;
    logger.error({ ...error.toJSON() }, 'discovery does not answer');
  });

  const control = new ControlServer(
    join(settings.paths.runtime, CONTROL_SOCKET),
    controlHandlers({
      identity,
      tpm,
      azure,
      accounts,
      hasher,
      lifecycle,
      paths,
      tlsKeySha256: tls.spkiSha256,
      discovery: () => ({ enabled: discovery.enabled, port: responder.port ?? settings.discovery.port }),
      api: () => ({ address: settings.api.address, port: apiPort, keySha256: tls.spkiSha256 }),
      startedAtMs,
      onRestart,
    }),
    logger,
  );
  teardown.add('control socket', () => control.stop());
  await control.start();

  await tpmAnswer;
  lifecycle.on('state', (status) => {
    stateProof.entered(status);
    serviceManager.status(describe(status.state, status.assignedHub, status.lastError?.message));
    if (status.state !== 'connected') return;
    discovery.connected().catch((error: unknown) => {
      logger.error({ reason: reasonOf(error) }, 'the discovery window could not be started');
    });
  });
  teardown.add('connection', () => lifecycle.stop());
  await lifecycle.start();

  const watchdog = new Watchdog({
    periodMs: serviceManager.watchdogMs,
    proofs: [proof, stateProof],
    clock,
    logger,
    feed: () => serviceManager.alive(),
  });
  teardown.add('watchdog', () => watchdog.stop());
  watchdog.start();

  return {
    apiPort,
    discoveryPort: responder.port,
    reload: (changed) => {
      logger.level = changed.log.level;
      lifecycle.updateSettings(lifecycleSettings(changed));
    },
    stop: () => teardown.run(logger),
  };
}

async function prepareStateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new TpeError('STATE_FOLDER_UNUSABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
}

/** What the twin tells of this gateway. */
function reported(
  { serialNumber, modelName, mac, firmwareVersion }: DeviceIdentity,
  { api }: Settings,
): object {
  return {
    general: { serialNumber, modelName, mac, firmwareVersion },
    httpserver: { httpsEnable: true, httpsPort: api.port },
    agent: { name: 'tpe-agent', version, nodeVersion: process.version, architecture: process.arch },
  };
}

/** The line of `systemctl status`. */
function describe(state: string, hub: string | undefined, problem: string | undefined): string {
  const to = hub === undefined ? '' : ` (${hub})`;
  return problem === undefined ? `${state}${to}` : `${state}${to}: ${problem}`;
}
