import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import type { Clock, Timer } from '../../common/clock';
import { isTpeError, toTpeError } from '../../common/errors/tpe-error';
import { StateFile } from '../../common/fs/state-file';
import { StoredValue } from '../../common/fs/stored-value';
import type { Logger } from '../../common/logger';
import { ProvisionWindow } from './provision-window';
import type { DiscoveryResponder, ResponderCounters } from './responder';

const DiscoveryState = Type.Object({
  enable: Type.Boolean(),
  provision: ProvisionWindow,
  /** True after the first connection to a hub: from then on discovery is open in windows only. */
  commissioned: Type.Boolean(),
});
type DiscoveryState = Static<typeof DiscoveryState>;

const FACTORY_DEFAULT: DiscoveryState = {
  enable: true,
  provision: { enable: true, schedule: { enable: true, disableAfterSec: 900 } },
  commissioned: false,
};

export interface DiscoveryOptions {
  readonly stateFolder: string;
  readonly responder: DiscoveryResponder;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Whether the gateway answers discovery: on from the factory; after the first connection it closes when its window
 * ends, and whoever switches it on again opens it for one window.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #stored: StoredValue<typeof DiscoveryState>;
  #window: Timer | undefined;

  private constructor(options: DiscoveryOptions, stored: StoredValue<typeof DiscoveryState>) {
    this.#options = options;
    this.#stored = stored;
  }

  /** Reads the stored settings. Damaged ones count as switched off: silence is the safe side of an open port. */
  static async open(options: DiscoveryOptions): Promise<Discovery> {
    const file = new StateFile(join(options.stateFolder, 'discovery.json'), DiscoveryState);
    let state = FACTORY_DEFAULT;
    try {
      state = (await file.load()) ?? FACTORY_DEFAULT;
    } catch (error) {
      if (!isTpeError(error, 'STATE_DAMAGED')) throw error;
      options.logger.error({ err: error }, 'discovery stays off until it is switched on again');
      state = { ...FACTORY_DEFAULT, enable: false };
    }
    return new Discovery(options, new StoredValue(file, state));
  }

  get enabled(): boolean {
    return this.#stored.value.enable;
  }

  get counters(): Readonly<ResponderCounters> {
    return this.#options.responder.counters;
  }

  get provision(): ProvisionWindow {
    return this.#stored.value.provision;
  }

  /** @throws DISCOVERY_PORT_UNUSABLE */
  async start(): Promise<void> {
    await this.#apply();
  }

  async stop(): Promise<void> {
    this.#window?.cancel();
    await this.#options.responder.stop();
  }

  async setEnabled(enable: boolean): Promise<void> {
    await this.#change((state) => ({ ...state, enable }));
  }

  /** Switches the provisioning window, and discovery with it. */
  async setProvision(provision: ProvisionWindow): Promise<void> {
    await this.#change((state) => ({ ...state, provision, enable: provision.enable && state.enable }));
  }

  /** The gateway reached its hub: from the first time on the window runs. */
  async connected(): Promise<void> {
    if (!this.#stored.value.commissioned) await this.#change((state) => ({ ...state, commissioned: true }));
  }

  /** Back to the factory: on, not commissioned. */
  async reset(): Promise<void> {
    await this.#change(() => FACTORY_DEFAULT);
  }

  async #change(edit: (state: DiscoveryState) => DiscoveryState): Promise<void> {
    await this.#stored.update(edit, () => this.#apply());
  }

  async #apply(): Promise<void> {
    this.#window?.cancel();
    this.#window = undefined;
    const { enable, commissioned, provision } = this.#stored.value;
    if (!enable) {
      await this.#options.responder.stop();
      return;
    }
    await this.#options.responder.start();
    if (!commissioned || !provision.schedule.enable) return;
    const { clock, logger } = this.#options;
    this.#window = clock.after(provision.schedule.disableAfterSec * 1000, () => {
      this.setEnabled(false).then(
        () => logger.info('the discovery window has ended'),
        (error: unknown) => logger.error({ err: toTpeError(error) }, 'discovery could not be switched off'),
      );
    });
  }
}
