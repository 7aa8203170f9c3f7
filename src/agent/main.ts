import { toTpeError } from '../common/errors/tpe-error';
import { createLogger } from '../common/logger';
import { version } from '../common/version';
import { parseArguments } from './arguments';
import { loadSettings } from './config/settings';
import { startDaemon } from './daemon';
import { ServiceManager } from './system/notify';

const EXIT_FAILED = 1;

async function run(configPath: string): Promise<void> {
  let settings = await loadSettings(configPath);
  const logger = createLogger('tpe-agent', settings.log.level);
  const serviceManager = new ServiceManager(logger);

  let wake: (what: 'stop' | 'restart' | 'reload') => void = () => undefined;
  const signals = { SIGTERM: 'stop', SIGINT: 'stop', SIGHUP: 'reload' } as const;
  for (const [signal, what] of Object.entries(signals)) process.on(signal, () => wake(what));

  for (;;) {
    const pending: ('stop' | 'restart' | 'reload')[] = [];
    let notify: () => void = () => undefined;
    wake = (what) => {
      pending.push(what);
      notify();
    };
    const daemon = await startDaemon({ settings, logger, serviceManager, onRestart: () => wake('restart') });
    serviceManager.ready();
    const { apiPort, discoveryPort } = daemon;
    logger.info({ event: 'ready', version, apiPort, discoveryPort, pid: process.pid }, 'ready');

    let next = pending.shift();
    while (next === undefined || next === 'reload') {
      if (next === 'reload') {
        serviceManager.reloading();
        try {
          settings = await loadSettings(configPath);
          daemon.reload(settings);
          logger.info(
            'settings reloaded; ports, paths, device and TPM settings take effect at the next start',
          );
        } catch (error) {
          logger.error(
            { ...toTpeError(error).toJSON() },
            'the changed settings were refused; the old ones stay',
          );
        }
        serviceManager.ready();
      } else {
        await new Promise<void>((resolve) => (notify = resolve));
      }
      next = pending.shift();
    }
    serviceManager.stopping();
    await daemon.stop();
    if (next === 'stop') {
      logger.info({ event: 'stopped' }, 'stopped');
      return;
    }
  }
}

const invocation = parseArguments(process.argv.slice(2));
if (invocation.run) {
  run(invocation.config).then(
    // What may be left open (a stuck TPM command, a socket on its way down) must not keep the process.
    () => process.exit(0),
    (error: unknown) => {
      const { code, message, advice } = toTpeError(error);
      process.stderr.write(`error ${code}: ${message}\n  what to do: ${advice}\n`);
      process.exit(EXIT_FAILED);
    },
  );
} else {
  process.stdout.write(invocation.stdout ?? '');
  process.stderr.write(invocation.stderr ?? '');
  process.exitCode = invocation.code;
}
