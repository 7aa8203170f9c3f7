import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { TpeError, reasonOf } from '../../../common/errors/tpe-error';
import { StoredValue } from '../../../common/fs/stored-value';
import type { CatalogueEntry } from '../catalogue-files';
import type { ActualService } from '../helper-protocol';
import { firewallScript } from './firewall';
import type { Runner } from './runner';
import { type FoundUnits, UnitSwitch, wasOn } from './unit-switch';
import { FoundUnit, type UnitState, foundOf, unitStates } from './units';

const ServiceIds = Type.String({ maxLength: 64 });
const Desired = Type.Object({
  enable: Type.Record(ServiceIds, Type.Boolean()),
  /** By service, how each of its units was found before anything was done to it. */
  found: Type.Optional(Type.Record(ServiceIds, Type.Record(Type.String({ maxLength: 256 }), FoundUnit))),
  /** In place of `found` where an older build switched a service first, which masked its units: whether it ran. */
  before: Type.Optional(Type.Record(ServiceIds, Type.Boolean())),
});

const without = <T>(values: Readonly<Record<string, T>>, id: string): Record<string, T> =>
  Object.fromEntries(Object.entries(values).filter(([each]) => each !== id));

export interface ServiceSwitchOptions {
  /** root's own, e.g. /var/lib/tpe-helper. */
  readonly stateFolder: string;
  readonly entries: ReadonlyMap<string, CatalogueEntry>;
  readonly run: Runner;
  /** Folder of the administrator's units; a seam for tests. */
  readonly unitFolder?: string | undefined;
}

/** Switches catalogue services through systemd, closes the ports of those that are off, and says what is. */
export class ServiceSwitch {
  readonly #options: ServiceSwitchOptions;
  readonly #desired: StoredValue<typeof Desired>;
  /** Why the last try did not reach the desired state, by id. */
  readonly #problems = new Map<string, string>();
  /** Why its ports are open although they should be closed, by id. */
  readonly #stillOpen = new Map<string, string>();
  readonly #switch: UnitSwitch;
  /** One change at a time: what is applied at boot must not overtake a switch that came in meanwhile. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: ServiceSwitchOptions, desired: StoredValue<typeof Desired>) {
    this.#options = options;
    this.#desired = desired;
    this.#switch = new UnitSwitch(options.run, options.unitFolder);
  }

  /** @throws STATE_DAMAGED */
  static async open(options: ServiceSwitchOptions): Promise<ServiceSwitch> {
    const path = join(options.stateFolder, 'desired.json');
    return new ServiceSwitch(options, await StoredValue.open(path, Desired, { enable: {} }));
  }

  async list(): Promise<ActualService[]> {
    return Promise.all([...this.#options.entries.values()].map(async (entry) => this.#describe(entry)));
  }

  /** Remembers what is wanted, applies it, answers what came of it. @throws SERVICE_UNKNOWN */
  async set(id: string, enable: boolean): Promise<ActualService> {
    const entry = this.#entry(id);
    return this.#inTurn(async () => {
      await this.#desired.update((state) => ({ ...state, enable: { ...state.enable, [id]: enable } }));
      await this.#apply(entry, enable);
      await this.#applyFirewall();
      return this.#describe(entry);
    });
  }

  /** As if nobody had ever asked: a factory reset wants the services of the factory. @throws SERVICE_UNKNOWN */
  async forget(id: string): Promise<ActualService> {
    const entry = this.#entry(id);
    return this.#inTurn(async () => {
      if (Object.hasOwn(this.#desired.value.enable, id)) {
        await this.#change(entry, async (units) => {
          await this.#remember(id, units);
          await this.#switch.putBack(units, this.#found(id));
        });
        await this.#desired.update((state) =>
          // What could not be put back is remembered as wanted, so that the next boot, or call, tries again.
          this.#problems.has(id)
            ? { ...state, enable: { ...state.enable, [id]: Object.values(this.#found(id)).some(wasOn) } }
            : {
                enable: without(state.enable, id),
                found: without(state.found ?? {}, id),
                before: without(state.before ?? {}, id),
              },
        );
        await this.#applyFirewall();
      }
      return this.#describe(entry);
    });
  }

  #entry(id: string): CatalogueEntry {
    const entry = this.#options.entries.get(id);
    if (entry === undefined) throw new TpeError('SERVICE_UNKNOWN', { id });
    return entry;
  }

  /** Everything as it is wanted: at boot, and after somebody loaded the firewall anew. */
  async applyAll(): Promise<void> {
    await this.#inTurn(async () => {
      for (const [id, enable] of Object.entries(this.#desired.value.enable)) {
        const entry = this.#options.entries.get(id);
        if (entry !== undefined) await this.#apply(entry, enable);
      }
      await this.#applyFirewall();
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #apply(entry: CatalogueEntry, enable: boolean): Promise<void> {
    await this.#change(entry, async (units) => {
      if (units.length === 0) return;
      await this.#remember(entry.id, units);
      await (enable ? this.#switch.on(units, this.#found(entry.id)) : this.#switch.off(units));
      await this.#liftOlderMask(entry.id, units);
    });
  }

  /** Does something with those units that are there, and remembers why it failed. */
  async #change({ id, units }: CatalogueEntry, change: (units: UnitState[]) => Promise<void>): Promise<void> {
    try {
      await change(await this.#installed(units));
      this.#problems.delete(id);
    } catch (error) {
      this.#problems.set(id, reasonOf(error));
    }
  }

  #found(id: string): FoundUnits {
    const { found = {} } = this.#desired.value;
    return (Object.hasOwn(found, id) ? found[id] : undefined) ?? {};
  }

  async #remember(id: string, units: readonly UnitState[]): Promise<void> {
    const before = this.#found(id);
    const unseen = units.filter((unit) => !Object.hasOwn(before, unit.id));
    if (unseen.length === 0) return;
    const { before: ran = {} } = this.#desired.value;
    const older = Object.hasOwn(ran, id) ? ran[id] : undefined;
    const seen = Object.fromEntries(unseen.map((unit) => [unit.id, foundOf(unit, older)]));
    await this.#desired.update((state) => ({
      ...state,
      found: { ...state.found, [id]: { ...before, ...seen } },
    }));
  }

  /** An older build's mask, once a drop-in does its work: purging the package removes the drop-in only. */
  async #liftOlderMask(id: string, units: readonly UnitState[]): Promise<void> {
    const { before = {} } = this.#desired.value;
    if (!Object.hasOwn(before, id)) return;
    await this.#options.run('systemctl', ['unmask', ...units.map((unit) => unit.id)]);
    await this.#desired.update((state) => ({ ...state, before: without(before, id) }));
  }

  async #applyFirewall(): Promise<void> {
    const closed = Object.entries(this.#desired.value.enable)
      .filter(([, enable]) => !enable)
      .map(([id]) => this.#options.entries.get(id))
      .filter((entry) => entry !== undefined);
    const withPorts = closed.filter(({ ports }) => ports !== undefined && ports.length > 0);
    const script = firewallScript(withPorts.flatMap(({ ports = [] }) => ports));
    this.#stillOpen.clear();
    try {
      await this.#options.run('nft', ['-f', '-'], script);
    } catch (error) {
      for (const { id } of withPorts)
        this.#stillOpen.set(id, `its ports could not be closed: ${reasonOf(error)}`);
    }
  }

  async #describe({ id, units }: CatalogueEntry): Promise<ActualService> {
    const installed = await this.#installed(units);
    const active = installed.some((unit) => unit.active);
    const desired = Object.hasOwn(this.#desired.value.enable, id)
      ? this.#desired.value.enable[id]
      : undefined;
    const differs = desired !== undefined && installed.length > 0 && desired !== active;
    const problem =
      this.#problems.get(id) ??
      this.#stillOpen.get(id) ??
      (differs ? `its units are ${active ? '' : 'not '}active` : undefined);
    return {
      id,
      available: installed.length > 0,
      active,
      ...(desired === undefined ? {} : { desired }),
      ...(problem === undefined ? {} : { problem }),
    };
  }

  async #installed(units: readonly string[]): Promise<UnitState[]> {
    return (await unitStates(this.#options.run, units)).filter((unit) => unit.installed);
  }
}
