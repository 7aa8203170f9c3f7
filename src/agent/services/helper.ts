import { mkdir } from 'node:fs/promises';
import { type Clock, systemClock } from '../../common/clock';
import { toTpeError } from '../../common/errors/tpe-error';
import { type Logger, createLogger } from '../../common/logger';
import { CATALOGUE_FOLDERS, type CatalogueEntry, readCatalogue } from './catalogue-files';
import type { HelperRequest } from './helper-protocol';
import { Network, type NetworkOptions } from './helper/network';
import { type Runner, systemRunner } from './helper/runner';
import { type HelperHandler, HelperServer } from './helper/server';
import { ServiceSwitch } from './helper/services';
import { Ssh } from './helper/ssh';
import { Time } from './helper/time';

const STATE_FOLDER = '/var/lib/tpe-helper';

export interface HelperOptions {
  readonly stateFolder?: string;
  readonly run?: Runner;
  readonly entries: ReadonlyMap<string, CatalogueEntry>;
  readonly clock?: Clock;
  readonly logger: Logger;
  /** Seams for tests. */
  readonly networkFolder?: string;
  readonly unitFolder?: string;
  readonly ports?: NetworkOptions['ports'];
  readonly leased?: NetworkOptions['leased'];
}

export interface Helper {
  readonly handle: HelperHandler;
  /** Puts everything into the state that is wanted: at boot, and after a restart. */
  readonly start: () => Promise<void>;
}

/** What each verb does. @throws STATE_DAMAGED */
export async function openHelper(options: HelperOptions): Promise<Helper> {
  const { stateFolder = STATE_FOLDER, run = systemRunner, clock = systemClock, entries, logger } = options;
  const { leased, networkFolder, ports, unitFolder } = options;
  const services = await ServiceSwitch.open({ stateFolder, entries, run, unitFolder });
  const network = new Network({ stateFolder, run, clock, logger, folder: networkFolder, ports, leased });
  const time = new Time(run);
  const ssh = new Ssh(run);

  const handle = async (request: HelperRequest): Promise<object> => {
    switch (request.verb) {
      case 'services':
        return { services: await services.list() };
      case 'setService':
        return services.set(request.id, request.enable);
      case 'forgetService':
        return services.forget(request.id);
      case 'setHostName':
        await run('hostnamectl', ['set-hostname', request.hostName]);
        return {};
      case 'getTime':
        return time.get();
      case 'setTime':
        await time.set(request.time);
        return {};
      case 'setTimeZone':
        await time.setZone(request.timezone);
        return {};
      case 'setNtp':
        await time.setNtp(request.ntp);
        return {};
      case 'getEthernet':
        return network.get(request.name);
      case 'setEthernet':
        await network.set(request.name, request.settings);
        return {};
      case 'confirmEthernet':
        return network.confirm(request.address, request.except);
      case 'getSshPort':
        return { port: await ssh.port() };
      case 'setSshPort':
        await ssh.setPort(request.port);
        return {};
    }
  };
  const start = async (): Promise<void> => {
    // First: an address may be why nobody reaches the gateway.
    await network.start();
    await services.applyAll();
  };
  return { handle, start };
}

async function catalogue(logger: Logger): Promise<ReadonlyMap<string, CatalogueEntry>> {
  try {
    return await readCatalogue(CATALOGUE_FOLDERS, 0);
  } catch (error) {
    // Network and time stay manageable with a broken catalogue file.
    logger.error({ ...toTpeError(error).toJSON() }, 'the service catalogue is not used');
    return new Map();
  }
}

/**
 * The root helper: applies the desired state, then serves the socket that systemd handed over. Ends with SIGTERM.
 * @param listenFd descriptor of the listening socket, 3 under systemd (sd_listen_fds(3)).
 */
export async function runHelper(listenFd: number): Promise<void> {
  const logger = createLogger('tpe-helper');
  await mkdir(STATE_FOLDER, { recursive: true, mode: 0o700 });
  const { handle, start } = await openHelper({ entries: await catalogue(logger), logger });
  const server = new HelperServer(handle, logger);
  await server.listen({ fd: listenFd });
  await start();
  logger.info('the desired state is applied');
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await server.close();
}
