import { toTpeError } from '../common/errors/tpe-error';
import { createLogger } from '../common/logger';
import { version } from '../common/version';
import { parseArguments } from './arguments';
import { loadSettings } from './config/settings';
import { startDaemon } from './daemon';
import { ServiceManager } from './system/notify';

const EXIT_FAILED = 1;

/** What the main loop is asked for while it is busy waits for it, in order. */
class Wishes {
  readonly #waiting: ('restart' | 'reload')[] = [];
  #wake: () => void = () => undefined;

  add(wish: 'restart' | 'reload'): void {
    this.#waiting.push(wish);
    this.#wake();
  }

  async next(): Promise<'restart' | 'reload'> {
    for (;;) {
      const wish = this.#waiting.shift();
      if (wish !== undefined) return wish;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

async function run(configPath: string): Promise<void> {
  let settings = await loadSettings(configPath);
  const logger = createLogger('tpe-agent', settings.log.level);
  const serviceManager = new ServiceManager(logger);
  const wishes = new Wishes();
  process.on('SIGHUP', () => wishes.add('reload'));
  const stop = new Promise<'stop'>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => resolve('stop'));
  });

  for (;;) {
    const started = startDaemon({
      settings,
      logger,
      serviceManager,
      onRestart: () => wishes.add('restart'),
    });
    const daemon = await Promise.race([stop, started]);
    if (daemon === 'stop') {
      // Nothing is lost by it: what is on disk is whole at any moment, and the kernel lets go of the lock.
      logger.info({ event: 'stopped' }, 'stopped while it was starting');
      return;
    }
    serviceManager.ready();
    const { apiPort, discoveryPort } = daemon;
    logger.info({ event: 'ready', version, apiPort, discoveryPort, pid: process.pid }, 'ready');

    let next = await Promise.race([stop, wishes.next()]);
    while (next === 'reload') {
      serviceManager.reloading();
      try {
        settings = await loadSettings(configPath);
        daemon.reload(settings);
        logger.info('settings reloaded; ports, paths, device and TPM settings take effect at the next start');
      } catch (error) {
        logger.error(
          { ...toTpeError(error).toJSON() },
          'the changed settings were refused; the old ones stay',
        );
      }
      serviceManager.ready();
      next = await Promise.race([stop, wishes.next()]);
    }
    // Not before a restart: systemd gives a service that said so ten seconds and then kills it.
    if (next === 'stop') serviceManager.stopping();
    await daemon.stop();
    if (next === 'stop') {
      logger.info({ event: 'stopped' }, 'stopped');
      return;
    }
  }
}

/** For a person at a terminal; under systemd as an error of the journal, and in the status line of the failed unit. */
function tellFailure(error: unknown): void {
  const { code, message, advice } = toTpeError(error);
  const priority = process.env['JOURNAL_STREAM'] === undefined ? '' : '<3>';
  process.stderr.write(`${priority}error ${code}: ${message}\n${priority}  what to do: ${advice}\n`);
  new ServiceManager(createLogger('tpe-agent')).status(`${code}: ${message}`);
}

const invocation = parseArguments(process.argv.slice(2));
if (invocation.run) {
  run(invocation.config).then(
    // What may be left open (a stuck TPM command, a socket on its way down) must not keep the process.
    () => process.exit(0),
    (error: unknown) => {
      tellFailure(error);
      process.exit(EXIT_FAILED);
    },
  );
} else {
  process.stdout.write(invocation.stdout ?? '');
  process.stderr.write(invocation.stderr ?? '');
  process.exitCode = invocation.code;
}
