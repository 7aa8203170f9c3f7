import { mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TpeError, reasonOf } from '../../../common/errors/tpe-error';
import { writeFileAtomic } from '../../../common/fs/atomic-write';
import type { Runner } from './runner';
import { unitStates } from './units';

/** debian/tpe-agent.postrm removes it by this name. */
const FILE = '50-tpe-agent-off.conf';

/** "/" is always there, so it never holds; an assertion, unlike a condition, makes starting by hand fail aloud (systemd.unit(5)). */
const NEVER = `# Written by tpe-agent while the service is switched off; changes by hand are lost.
[Unit]
AssertPathExists=!/
`;

/**
 * Keeps units from being started, by whoever it is. By a drop-in and not a mask: it works for units in
 * /etc/systemd/system too, whose place a mask would take (systemctl(1)), and it says by its name whose it is, so that
 * an administrator's own mask is never taken for ours, nor ours for the administrator's when the package is purged.
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
    for (const unit of units) {
      const path = this.#dropIn(unit);
      // It is applied again at each boot: nothing is written for what is there.
      if ((await readFile(path, 'utf8').catch(() => '')) === NEVER) continue;
      try {
        await mkdir(dirname(path), { recursive: true });
        await writeFileAtomic(path, NEVER, 0o644);
      } catch (error) {
        const reason = `stopped, but not kept from being started: ${reasonOf(error)}`;
        throw new TpeError('FILE_WRITE_FAILED', { path, reason }, { cause: error });
      }
    }
    await this.#reread(units, true);
  }

  /** @throws HOST_COMMAND_FAILED, FILE_WRITE_FAILED; can be called again then, whatever was done already. */
  async allow(units: readonly string[]): Promise<void> {
    await this.#run('systemctl', ['unmask', ...units]);
    await this.free(units);
    await this.#reread(units, false);
  }

  /** Also units whose package is away: it may come back. @throws FILE_WRITE_FAILED */
  async free(units: readonly string[]): Promise<void> {
    await Promise.all(units.map(async (unit) => this.#removeDropIn(unit)));
  }

  #dropIn(unit: string): string {
    return join(this.#folder, `${unit}.d`, FILE);
  }

  /** systemd is asked, not the disk: a try before this one may have changed the files and failed to have them reread. */
  async #reread(units: readonly string[], forbidden: boolean): Promise<void> {
    const states = await unitStates(this.#run, units);
    const stale = states.some(({ dropIns }) => dropIns.includes(`/${FILE}`) !== forbidden);
    if (stale) await this.#run('systemctl', ['daemon-reload']);
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
