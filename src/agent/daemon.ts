import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, delay, systemClock } from '../common/clock';
import { TpeError, reasonOf, toTpeError } from '../common/errors/tpe-error';
import { removeTemporaries } from '../common/fs/atomic-write';
import type { Logger } from '../common/logger';
import { builtAtMs } from '../common/version';
import { agentTpm } from './agent-tpm';
import { CloudApi, cloudFeatures, lifecycleSettings } from './cloud';
import { AzureConfiguration } from './config/azure-configuration';
import { lockState } from './config/instance-lock';
import type { Settings } from './config/settings';
import { ConnectionStore } from './connection/connection-store';
import { Lifecycle } from './connection/lifecycle';
import { controlHandlers } from './control-handlers';
import { readDeviceIdentity } from './device/identity';
import { finishFactoryReset, requestFactoryReset, restoreInitialAccounts } from './local/factory-reset';
import { openManagement } from './management';
import { ControlServer } from './system/control';
import { CONTROL_SOCKET } from './system/control-protocol';
import { FreePages } from './system/free-pages';
import { systemAddon } from './system/native';
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
  readonly clock?: Clock;
}

/** How long the start waits for what the TPM says of itself. */
const TPM_PATIENCE_MS = 5000;

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
 * Composes and starts the agent. Resolves when HTTPS and discovery listen and the TPM has answered, was found missing, or stays silent.
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
  { settings, logger, serviceManager, onRestart, clock = systemClock }: DaemonOptions,
  teardown: Teardown,
): Promise<Daemon> {
  const startedAtMs = clock.now();
  const stateFolder = settings.paths.state;
  const paths = { state: stateFolder, audit: settings.paths.audit };
  await prepareStateFolder(stateFolder);
  const lock = await lockState(stateFolder);
  teardown.add('state lock', () => lock.release());
  await removeTemporaries(stateFolder);
  if (await finishFactoryReset(paths)) logger.warn('a factory reset was carried out');
  await restoreInitialAccounts(paths);

  const identity = await readDeviceIdentity(settings.device);
  const store = await ConnectionStore.open(stateFolder);
  const { tpm, proof, present } = agentTpm(
    settings,
    stateFolder,
    () => store.expectedEkName(),
    clock,
    logger,
  );
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
  const stateProof = new StateMachineProof(clock, settings.watchdog.connectionSec * 1000);
  let current = settings;
  const cloudApi = new CloudApi(() => current);
  const lifecycle = new Lifecycle({
    tpm,
    azure,
    state: store,
    clock,
    logger: logger.child({ part: 'connection' }),
    settings: lifecycleSettings(settings),
    builtAtMs,
    ...(await cloudFeatures(cloudApi, identity, stateFolder, logger)),
  });

  const management = await openManagement({
    settings,
    identity,
    tpm,
    azure,
    provisioning: lifecycle,
    onChange: () => lifecycle.refreshTwin(),
    onFactoryReset: async () => {
      await requestFactoryReset(paths);
      onRestart();
    },
    clock,
    logger,
  });
  const { accounts, discovery, hasher, responder, server, tlsKeySha256 } = management;
  teardown.add('management', () => management.stop());
  cloudApi.open((role) => management.callApi(role));
  await management.start();

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
      tlsKeySha256,
      discovery: () => ({ enabled: discovery.enabled, port: responder.port ?? settings.discovery.port }),
      api: () => ({ address: settings.api.address, port: server.port, keySha256: server.keySha256() }),
      startedAtMs,
      onRestart,
    }),
    logger,
  );
  teardown.add('control socket', () => control.stop());
  await control.start();

  // A TPM that stays silent is told as one that is missing, and does not keep the service from being ready.
  await Promise.race([tpmAnswer, delay(clock, TPM_PATIENCE_MS)]);
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

  const freePages = new FreePages(clock, () => systemAddon().giveBackFree());
  teardown.add('free pages', () => freePages.stop());
  freePages.start();

  return {
    apiPort: server.port,
    discoveryPort: responder.port,
    reload: (changed) => {
      current = changed;
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

/** The line of `systemctl status`. */
function describe(state: string, hub: string | undefined, problem: string | undefined): string {
  const to = hub === undefined ? '' : ` (${hub})`;
  return problem === undefined ? `${state}${to}` : `${state}${to}: ${problem}`;
}
