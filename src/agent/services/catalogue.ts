import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { TpeError } from '../../common/errors/tpe-error';
import { StateFile } from '../../common/fs/state-file';
import { REFERENCE_SERVICES, SERVICE_GROUPS, type ServiceGroup } from './reference-services';

/** One row of `/system/services`. */
export interface ServiceItem {
  readonly id: string;
  readonly group: ServiceGroup;
  /** False where this gateway has nothing to switch. */
  readonly available: boolean;
  /** The desired state. */
  readonly enable: boolean;
}

/** A service that the agent itself is, switched without systemd. */
export interface InnerService {
  isEnabled(): boolean;
  setEnabled(enable: boolean): Promise<void>;
  /** Why it may not be switched off; `undefined` when it may. */
  readonly protectedBecause?: string;
}

const DesiredState = Type.Object({ enable: Type.Record(Type.String({ maxLength: 64 }), Type.Boolean()) });
type DesiredState = Static<typeof DesiredState>;

export interface CatalogueOptions {
  readonly stateFolder: string;
  readonly inner: Readonly<Record<string, InnerService>>;
}

/** What can be switched on this gateway, and what is wanted of it. The desired state survives everything. */
export class ServiceCatalogue {
  readonly #options: CatalogueOptions;
  readonly #file: StateFile<typeof DesiredState>;
  #desired: DesiredState = { enable: {} };
  #changes: Promise<unknown> = Promise.resolve();

  private constructor(options: CatalogueOptions) {
    this.#options = options;
    this.#file = new StateFile(join(options.stateFolder, 'services.json'), DesiredState);
  }

  /** @throws STATE_DAMAGED: what was switched off must not come back on by itself. */
  static async open(options: CatalogueOptions): Promise<ServiceCatalogue> {
    const catalogue = new ServiceCatalogue(options);
    catalogue.#desired = (await catalogue.#file.load()) ?? { enable: {} };
    return catalogue;
  }

  list(): ServiceItem[] {
    return SERVICE_GROUPS.flatMap((group) => REFERENCE_SERVICES[group].map((id) => this.#item(group, id)));
  }

  /** @throws SERVICE_UNKNOWN */
  get(id: string): ServiceItem {
    const item = this.list().find((each) => each.id === id);
    if (item === undefined) throw new TpeError('SERVICE_UNKNOWN', { id });
    return item;
  }

  /**
   * Stores the desired state.
   * @throws SERVICE_UNKNOWN, SERVICE_PROTECTED
   */
  async setEnabled(id: string, enable: boolean): Promise<ServiceItem> {
    this.get(id);
    const inner = this.#options.inner[id];
    if (inner?.protectedBecause !== undefined && !enable) {
      throw new TpeError('SERVICE_PROTECTED', { id, reason: inner.protectedBecause });
    }
    if (inner !== undefined) await inner.setEnabled(enable);
    else await this.#store(id, enable);
    return this.get(id);
  }

  async #store(id: string, enable: boolean): Promise<void> {
    const turn = this.#changes.then(async () => {
      const next = { enable: { ...this.#desired.enable, [id]: enable } };
      await this.#file.save(next);
      this.#desired = next;
    });
    this.#changes = turn.catch(() => undefined);
    await turn;
  }

  #item(group: ServiceGroup, id: string): ServiceItem {
    const inner = Object.hasOwn(this.#options.inner, id) ? this.#options.inner[id] : undefined;
    return {
      id,
      group,
      available: inner !== undefined,
      enable: inner?.isEnabled() ?? this.#desired.enable[id] ?? false,
    };
  }
}
