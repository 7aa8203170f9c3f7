import type { Runner } from './runner';
import { UnitStarts } from './unit-starts';
import type { FoundUnit, UnitState } from './units';

/** By name, how units were found before anything was done to them. */
export type FoundUnits = Readonly<Record<string, FoundUnit>>;

export const wasOn = (unit: FoundUnit | undefined): boolean =>
  unit?.active === true || unit?.start === 'enabled';

/** Switches the units of one service. Each verb can be repeated when it failed half-way. @throws HOST_COMMAND_FAILED, FILE_WRITE_FAILED */
export class UnitSwitch {
  readonly #run: Runner;
  readonly #starts: UnitStarts;

  /** @param folder where the administrator's units lie. */
  constructor(run: Runner, folder?: string) {
    this.#run = run;
    this.#starts = new UnitStarts(run, folder);
  }

  async off(units: readonly UnitState[]): Promise<void> {
    const names = units.map((unit) => unit.id);
    await this.#run('systemctl', ['disable', '--now', ...names]);
    await this.#starts.forbid(names);
  }

  /** Of several units a gateway often uses one (ssh.service or ssh.socket): those that were found on, or else all. */
  async on(units: readonly UnitState[], found: FoundUnits): Promise<void> {
    const names = units.map((unit) => unit.id);
    const used = names.filter((name) => wasOn(found[name]));
    const chosen = used.length > 0 ? used : names;
    await this.#starts.allow(names);
    await this.#run('systemctl', ['enable', ...chosen]);
    await this.#run('systemctl', ['start', ...chosen]);
  }

  async putBack(units: readonly UnitState[], found: FoundUnits): Promise<void> {
    for (const { id } of units) {
      const before = found[id];
      // Installed since, and never touched.
      if (before === undefined) continue;
      await this.#starts.allow([id]);
      await this.#run('systemctl', [before.start === 'enabled' ? 'enable' : 'disable', id]);
      await this.#run('systemctl', [before.active ? 'start' : 'stop', id]);
      if (before.start === 'masked') await this.#run('systemctl', ['mask', id]);
    }
  }
}
