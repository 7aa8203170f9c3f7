import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { StateFile } from '../../common/fs/state-file';
import { type TpeError, isTpeError } from '../../common/errors/tpe-error';
import { AzureProvisioning } from '../../protocol/api-types';
import {
  type AzureProvisioningChange,
  type AzureProvisioningSettings,
  type AzureRuleFacts,
  DEFAULT_GLOBAL_ENDPOINT,
  applyAzureChange,
} from './azure-rules';

export type { AzureProvisioningChange, AzureProvisioningSettings } from './azure-rules';

const Stored = Type.Omit(AzureProvisioning, ['endorsementKey']);

export interface AzureConfigurationOptions extends AzureRuleFacts {
  /** Registration ID until somebody sets another: the serial number in lower case. */
  readonly defaultRegistrationId?: string;
}

/** The Azure provisioning settings that integrators write through `/azure-iotedge`, kept in `azure.json`. */
export class AzureConfiguration extends EventEmitter<{ change: [AzureProvisioningSettings] }> {
  readonly #file: StateFile<typeof Stored>;
  readonly #options: AzureConfigurationOptions;
  #current: AzureProvisioningSettings;
  #damage: TpeError | undefined;
  /** Changes are merged one after another: two at once would each forget the other's. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(file: StateFile<typeof Stored>, options: AzureConfigurationOptions) {
    super();
    this.#file = file;
    this.#options = options;
    this.#current = this.#factoryDefault();
  }

  /**
   * Reads the stored settings. When both copies are damaged the factory default is in force, {@link damage} says so,
   * and the gateway stays reachable for somebody to write them again.
   */
  static async open(stateFolder: string, options: AzureConfigurationOptions): Promise<AzureConfiguration> {
    const file = new StateFile(join(stateFolder, 'azure.json'), Stored);
    const configuration = new AzureConfiguration(file, options);
    await configuration.#load();
    return configuration;
  }

  current(): AzureProvisioningSettings {
    return this.#current;
  }

  /** Why the stored settings could not be read; `undefined` when they could, or were written again since. */
  get damage(): TpeError | undefined {
    return this.#damage;
  }

  /**
   * Merges a change, commits it and emits `change` when something is different.
   * @throws AZURE_* (400) with ThingsPro Edge's messages; FILE_WRITE_FAILED. Nothing has changed then.
   */
  async patch(change: AzureProvisioningChange): Promise<AzureProvisioningSettings> {
    return this.#inTurn(() => applyAzureChange(this.#current, change, this.#options));
  }

  /** Back to the factory default: disabled, no ID scope. */
  async reset(): Promise<void> {
    await this.#inTurn(() => this.#factoryDefault());
  }

  #factoryDefault(): AzureProvisioningSettings {
    return {
      enable: false,
      source: 'manual',
      method: 'tpm',
      globalEndpoint: DEFAULT_GLOBAL_ENDPOINT,
      scopeId: '',
      registrationId: this.#options.defaultRegistrationId ?? '',
    };
  }

  async #load(): Promise<void> {
    try {
      const stored: Static<typeof Stored> | undefined = await this.#file.load();
      if (stored !== undefined) this.#current = stored;
    } catch (error) {
      if (!isTpeError(error, 'STATE_DAMAGED')) throw error;
      this.#damage = error;
    }
  }

  async #inTurn(next: () => AzureProvisioningSettings): Promise<AzureProvisioningSettings> {
    const turn = this.#queue.then(async () => {
      const settings = next();
      const same = JSON.stringify(settings) === JSON.stringify(this.#current);
      if (!same || this.#damage !== undefined) await this.#file.save(settings);
      this.#damage = undefined;
      this.#current = settings;
      if (!same) this.emit('change', settings);
      return settings;
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}
