import type { Logger } from '../../common/logger';
import { reasonOf } from '../../common/errors/tpe-error';
import { systemAddon } from './native';

/** A status line never needs more; systemd cuts longer ones. */
const LONGEST_STATUS = 200;

/**
 * The service manager's side of a daemon: sd_notify(3) without libsystemd. Messages come from the main process itself,
 * so that NotifyAccess=main suffices. Where no manager listens (no NOTIFY_SOCKET) every call does nothing.
 */
export class ServiceManager {
  readonly #socket: string | undefined;
  readonly #logger: Logger;
  /** How often systemd wants WATCHDOG=1 at least, in milliseconds; `undefined` when it watches nothing. */
  readonly watchdogMs: number | undefined;
  #lastStatus = '';

  constructor(logger: Logger, environment: NodeJS.ProcessEnv = process.env) {
    this.#logger = logger;
    this.#socket = environment['NOTIFY_SOCKET'] === '' ? undefined : environment['NOTIFY_SOCKET'];
    const watchdogUsec = Number(environment['WATCHDOG_USEC'] ?? 0);
    const watched = environment['WATCHDOG_PID'] ?? String(process.pid);
    this.watchdogMs =
      Number.isSafeInteger(watchdogUsec) && watchdogUsec > 0 && watched === String(process.pid)
        ? watchdogUsec / 1000
        : undefined;
  }

  ready(): void {
    this.#send('READY=1');
  }

  /** Start of a reload; {@link ready} ends it. The time lets systemd ≥ 253 order overlapping reloads. */
  reloading(): void {
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  stopping(): void {
    this.#send('STOPPING=1');
  }

  /** The line that `systemctl status` shows. The same line twice is sent once. */
  status(line: string): void {
    const clean = line.replace(/\s+/g, ' ').trim().slice(0, LONGEST_STATUS);
    if (clean === this.#lastStatus) return;
    this.#lastStatus = clean;
    this.#send(`STATUS=${clean}`);
  }

  alive(): void {
    this.#send('WATCHDOG=1');
  }

  #send(message: string): void {
    if (this.#socket === undefined) return;
    try {
      systemAddon().sendDatagram(this.#socket, message);
    } catch (error) {
      // A manager that does not listen must not end the service: it will act on the silence by its own rules.
      this.#logger.warn({ message, reason: reasonOf(error) }, 'the service manager could not be told');
    }
  }
}
