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

  /** Those that were not touched, or are away now, stay as they are; none is kept from being started any more. */
  async putBack(units: readonly UnitState[], found: FoundUnits): Promise<void> {
    await this.#starts.free(Object.keys(found));
    const touched = units.map(({ id }) => id).filter((id) => Object.hasOwn(found, id));
    if (touched.length === 0) return;
    // Step by step for all: a unit that needs another one cannot start before that one may (rsyslog.service and
    // syslog.socket), and one may take its fellow with it when it is disabled (Also=).
    await this.#starts.allow(touched);
    const those = (fits: (unit: FoundUnit) => boolean): string[] =>
      touched.filter((id) => found[id] !== undefined && fits(found[id]));
    await this.#each(
      'disable',
      those(({ start }) => start !== 'enabled'),
    );
    await this.#each(
      'enable',
      those(({ start }) => start === 'enabled'),
    );
    await this.#each(
      'stop',
      those(({ active }) => !active),
    );
    await this.#each(
      'start',
      those(({ active }) => active),
    );
    await this.#each(
      'mask',
      those(({ start }) => start === 'masked'),
    );
  }

  async #each(verb: string, names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#run('systemctl', [verb, ...names]);
  }
}
