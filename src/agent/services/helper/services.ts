import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { TpeError, reasonOf } from '../../../common/errors/tpe-error';
import { StoredValue } from '../../../common/fs/stored-value';
import type { CatalogueEntry } from '../catalogue-files';
import type { ActualService } from '../helper-protocol';
import { firewallScript } from './firewall';
import type { Runner } from './runner';
import { UnitStarts } from './unit-starts';

const Switches = Type.Record(Type.String({ maxLength: 64 }), Type.Boolean());
const Desired = Type.Object({
  enable: Switches,
  /** What ran before anybody asked for something. */
  before: Type.Optional(Switches),
});

const without = (switches: Readonly<Record<string, boolean>>, id: string): Record<string, boolean> =>
  Object.fromEntries(Object.entries(switches).filter(([each]) => each !== id));

interface UnitState {
  readonly id: string;
  readonly installed: boolean;
  readonly active: boolean;
}

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
  readonly #starts: UnitStarts;
  /** One change at a time: what is applied at boot must not overtake a switch that came in meanwhile. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: ServiceSwitchOptions, desired: StoredValue<typeof Desired>) {
    this.#options = options;
    this.#desired = desired;
    this.#starts = new UnitStarts(options.run, options.unitFolder);
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
      const { active } = await this.#describe(entry);
      await this.#desired.update((state) => ({
        enable: { ...state.enable, [id]: enable },
        before: { [id]: active, ...state.before },
      }));
      await this.#apply(entry, enable);
      await this.#applyFirewall();
      return this.#describe(entry);
    });
  }

  /** As if nobody had ever asked: a factory reset wants the services of the factory. @throws SERVICE_UNKNOWN */
  async forget(id: string): Promise<ActualService> {
    const entry = this.#entry(id);
    return this.#inTurn(async () => {
      const { enable, before = {} } = this.#desired.value;
      if (Object.hasOwn(enable, id)) {
        const factory = before[id] ?? true;
        await this.#apply(entry, factory);
        await this.#desired.update((state) =>
          // What could not be put back is remembered as wanted, so that the next boot, or call, tries again.
          this.#problems.has(id)
            ? { ...state, enable: { ...state.enable, [id]: factory } }
            : { enable: without(state.enable, id), before: without(state.before ?? {}, id) },
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

  async #apply({ id, units }: CatalogueEntry, enable: boolean): Promise<void> {
    const { run } = this.#options;
    try {
      const installed = (await this.#units(units)).filter((unit) => unit.installed).map((unit) => unit.id);
      if (installed.length === 0) return;
      if (enable) {
        await this.#starts.allow(installed);
        await run('systemctl', ['enable', ...installed]);
        await run('systemctl', ['start', ...installed]);
      } else {
        await run('systemctl', ['disable', '--now', ...installed]);
        await this.#starts.forbid(installed);
      }
      this.#problems.delete(id);
    } catch (error) {
      this.#problems.set(id, reasonOf(error));
    }
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
    const installed = (await this.#units(units)).filter((unit) => unit.installed);
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

  async #units(units: readonly string[]): Promise<UnitState[]> {
    const text = await this.#options.run('systemctl', [
      'show',
      '--property=Id,LoadState,ActiveState',
      ...units,
    ]);
    return text
      .trim()
      .split('\n\n')
      .map((block, i) => {
        const facts = new Map(block.split('\n').map((line) => line.split('=', 2) as [string, string]));
        const load = facts.get('LoadState');
        return {
          // Of an alias systemctl gives the real name, which is the one that can be masked.
          id: facts.get('Id') ?? units[i] ?? '',
          installed: load === 'loaded' || load === 'masked',
          active: ['active', 'activating', 'reloading'].includes(facts.get('ActiveState') ?? ''),
        };
      });
  }
}
