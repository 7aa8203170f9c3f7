import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TpeError, reasonOf } from '../../../common/errors/tpe-error';
import { writeFileAtomic } from '../../../common/fs/atomic-write';
import type { Runner } from './runner';

const FILE = '50-tpe-agent-off.conf';

/** "/" is always there, so the condition never holds (systemd.unit(5)). */
const NEVER = `# Written by tpe-agent while the service is switched off; changes by hand are lost.
[Unit]
ConditionPathExists=!/
`;

/**
 * Keeps units from being started, by whoever it is. They are masked; a unit whose own file lies in /etc/systemd/system
 * is in the place that a mask would take (systemctl(1)), so it gets a condition that never holds in a drop-in.
 */
export class UnitStarts {
  readonly #run: Runner;
  readonly #folder: string;

  constructor(run: Runner, folder = '/etc/systemd/system') {
    this.#run = run;
    this.#folder = folder;
  }

  /** @throws HOST_COMMAND_FAILED, FILE_WRITE_FAILED: the units are off, but somebody could start them. */
  async forbid(units: readonly string[]): Promise<void> {
    // One by one: where one of several cannot be masked, systemctl leaves it open which of the others are.
    for (const unit of units) {
      await this.#run('systemctl', ['mask', unit]).catch(async () => this.#addDropIn(unit));
    }
  }

  /** @throws HOST_COMMAND_FAILED, FILE_WRITE_FAILED; can be called again then, whatever was done already. */
  async allow(units: readonly string[]): Promise<void> {
    await this.#run('systemctl', ['unmask', ...units]);
    await Promise.all(units.map(async (unit) => this.#removeDropIn(unit)));
    // systemd is asked, not the disk: a try before this one may have removed the files and failed to have them reread.
    const stale = await this.#run('systemctl', ['show', '--property=NeedDaemonReload', '--value', ...units]);
    if (stale.split('\n').includes('yes')) await this.#run('systemctl', ['daemon-reload']);
  }

  #dropIn(unit: string): string {
    return join(this.#folder, `${unit}.d`, FILE);
  }

  async #addDropIn(unit: string): Promise<void> {
    const path = this.#dropIn(unit);
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeFileAtomic(path, NEVER, 0o644);
    } catch (error) {
      const reason = `stopped, but not kept from being started: ${reasonOf(error)}`;
      throw new TpeError('FILE_WRITE_FAILED', { path, reason }, { cause: error });
    }
    await this.#run('systemctl', ['daemon-reload']);
  }

  async #removeDropIn(unit: string): Promise<void> {
    const path = this.#dropIn(unit);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw new TpeError('FILE_WRITE_FAILED', { path, reason: reasonOf(error) }, { cause: error });
    }
    // Others may have drop-ins of their own in it, and where there was none there is no folder.
    await rmdir(dirname(path)).catch(() => undefined);
  }
}
