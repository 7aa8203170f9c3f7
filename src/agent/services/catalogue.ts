import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import type { Clock } from '../../common/clock';
import { TpeError, isTpeError } from '../../common/errors/tpe-error';
import { StoredValue } from '../../common/fs/stored-value';
import { type CatalogueEntry, readCatalogue } from './catalogue-files';
import type { HostControl } from './helper-client';
import type { ActualService } from './helper-protocol';
import { REFERENCE_NAMES, REFERENCE_SERVICES, SERVICE_GROUPS, type ServiceGroup } from './reference-services';

/** One row of `/system/services`. */
export interface ServiceItem {
  readonly id: string;
  readonly group: ServiceGroup;
  readonly displayName: string;
  /** False where this gateway has nothing to switch. */
  readonly available: boolean;
  /** The desired state. */
  readonly enable: boolean;
  /** What is; absent where nobody can tell. */
  readonly actual?: boolean;
  /** Why it is not as desired. */
  readonly problem?: string;
}

/** A service that the agent itself is, switched without the root helper. */
export interface InnerService {
  isEnabled(): boolean;
  setEnabled(enable: boolean): Promise<void>;
  /** Why it may not be switched off; `undefined` when it may. */
  readonly protectedBecause?: string;
}

const DesiredState = Type.Object({ enable: Type.Record(Type.String({ maxLength: 64 }), Type.Boolean()) });

export interface CatalogueOptions {
  readonly stateFolder: string;
  readonly inner: Readonly<Record<string, InnerService>>;
  readonly host: HostControl;
  readonly clock: Clock;
  /** Folders with catalogue files; the package's and the integrator's unless said otherwise. */
  readonly folders?: readonly string[];
}

/** Ways to a shell on the gateway. */
const WAYS_IN = ['sshserver', 'localconsole'];

const FRESH_MS = 2000;

/** What can be switched on this gateway, what is wanted of it, and what is. The desired state survives everything. */
export class ServiceCatalogue {
  readonly #options: CatalogueOptions;
  readonly #desired: StoredValue<typeof DesiredState>;
  readonly #entries: ReadonlyMap<string, CatalogueEntry>;
  #actual: { readonly at: number; readonly services: Promise<readonly ActualService[]> } | undefined;

  private constructor(
    options: CatalogueOptions,
    desired: StoredValue<typeof DesiredState>,
    entries: ReadonlyMap<string, CatalogueEntry>,
  ) {
    this.#options = options;
    this.#desired = desired;
    this.#entries = entries;
  }

  /** @throws STATE_DAMAGED: what was switched off must not come back on by itself; CATALOGUE_INVALID. */
  static async open(options: CatalogueOptions): Promise<ServiceCatalogue> {
    const [desired, entries] = await Promise.all([
      StoredValue.open(join(options.stateFolder, 'services.json'), DesiredState, { enable: {} }),
      readCatalogue(options.folders),
    ]);
    return new ServiceCatalogue(options, desired, entries);
  }

  async list(): Promise<ServiceItem[]> {
    const actual = new Map((await this.#read()).map((service) => [service.id, service]));
    const known = SERVICE_GROUPS.flatMap((group) => REFERENCE_SERVICES[group].map((id) => ({ id, group })));
    const more = [...this.#entries.values()].filter(({ id }) => !known.some((each) => each.id === id));
    return [...known, ...more].map(({ id, group }) => this.#item(id, group, actual.get(id)));
  }

  /** @throws SERVICE_UNKNOWN */
  async get(id: string): Promise<ServiceItem> {
    const item = (await this.list()).find((each) => each.id === id);
    if (item === undefined) throw new TpeError('SERVICE_UNKNOWN', { id });
    return item;
  }

  /**
   * Stores the desired state and has the root helper apply it. Where there is no helper it stays a wish.
   * @returns a warning when the gateway did not follow, or when this closed the last way to a shell.
   * @throws SERVICE_UNKNOWN, SERVICE_PROTECTED, HOST_REFUSED, HOST_HELPER_FAILED
   */
  async setEnabled(id: string, enable: boolean): Promise<{ item: ServiceItem; warning?: string }> {
    await this.get(id);
    const inner = this.#inner(id);
    if (inner?.protectedBecause !== undefined && !enable) {
      throw new TpeError('SERVICE_PROTECTED', { id, reason: inner.protectedBecause });
    }
    if (inner !== undefined) await inner.setEnabled(enable);
    else await this.#apply(id, enable);
    const item = await this.get(id);
    const warning = item.problem ?? (enable ? undefined : await this.#warningFor(id));
    return { item, ...(warning === undefined ? {} : { warning }) };
  }

  async #apply(id: string, enable: boolean): Promise<void> {
    await this.#desired.update((state) => ({ enable: { ...state.enable, [id]: enable } }));
    this.#actual = undefined;
    if (!this.#entries.has(id)) return;
    try {
      await this.#options.host.request({ verb: 'setService', id, enable });
    } catch (error) {
      if (!isTpeError(error, 'HOST_HELPER_ABSENT')) throw error;
    }
    this.#actual = undefined;
  }

  /**
   * Has the root helper want what this agent wants: what a factory reset forgot goes back to what it was, and wishes
   * of a time without helper come true. @throws HOST_REFUSED, HOST_HELPER_FAILED
   */
  async reconcile(): Promise<void> {
    const wanted = this.#desired.value.enable;
    for (const { id, available, desired } of await this.#read()) {
      if (!available || this.#inner(id) !== undefined) continue;
      const enable = Object.hasOwn(wanted, id) ? wanted[id] : undefined;
      if (enable === undefined && desired !== undefined) {
        await this.#options.host.request({ verb: 'forgetService', id });
      } else if (enable !== undefined && enable !== desired) {
        await this.#options.host.request({ verb: 'setService', id, enable });
      }
    }
    this.#actual = undefined;
  }

  async #warningFor(id: string): Promise<string | undefined> {
    if (!WAYS_IN.includes(id)) return undefined;
    const items = await this.list();
    const open = items.some((item) => WAYS_IN.includes(item.id) && (item.actual ?? item.enable));
    return open ? undefined : 'this was the last way to a shell on this gateway; only the REST API is left';
  }

  async #read(): Promise<readonly ActualService[]> {
    const now = this.#options.clock.monotonic();
    if (this.#actual === undefined || now - this.#actual.at > FRESH_MS) {
      const services = this.#options.host.request({ verb: 'services' }).then(
        (answer) => answer.services,
        (error: unknown) => {
          // No systemd, no helper: the list says "not available" instead of pretending.
          if (isTpeError(error, 'HOST_HELPER_ABSENT')) return [];
          throw error;
        },
      );
      const read = { at: now, services };
      this.#actual = read;
      // What failed is no answer to keep: the helper may be back at the next call.
      services.catch(() => {
        if (this.#actual === read) this.#actual = undefined;
      });
    }
    return this.#actual.services;
  }

  #inner(id: string): InnerService | undefined {
    return Object.hasOwn(this.#options.inner, id) ? this.#options.inner[id] : undefined;
  }

  #item(id: string, group: ServiceGroup, actual: ActualService | undefined): ServiceItem {
    const inner = this.#inner(id);
    const wanted = Object.hasOwn(this.#desired.value.enable, id) ? this.#desired.value.enable[id] : undefined;
    const base = { id, group, displayName: this.#entries.get(id)?.displayName ?? REFERENCE_NAMES[id] ?? id };
    if (inner !== undefined) {
      const enable = inner.isEnabled();
      return { ...base, available: true, enable, actual: enable };
    }
    if (actual?.available !== true) return { ...base, available: false, enable: wanted ?? false };
    const { active, problem } = actual;
    return {
      ...base,
      available: true,
      enable: wanted ?? actual.desired ?? active,
      actual: active,
      ...(problem === undefined ? {} : { problem }),
    };
  }
}
