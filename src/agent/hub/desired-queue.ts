import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import { validate } from '../../common/validate';
import { type Acknowledgement, MOST_SERVICES, Versioned, applyDesired } from './desired';
import type { CallApi } from './direct-methods';

type Patch = Record<string, unknown> & { readonly $version: number };

export interface DesiredQueueOptions {
  readonly callApi: CallApi;
  readonly logger: Logger;
  /** What is no patch of desired properties. */
  readonly onInvalid: (error: TpeError) => void;
  /** A patch was carried out. */
  readonly onApplied: (acknowledgement: Acknowledgement) => void;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Two patches as one; of what both name, the newer counts. */
function merged(older: Patch, newer: Patch): Patch {
  const [before, after] = [older['services'], newer['services']];
  if (!isObject(before) || !isObject(after)) return { ...older, ...newer };
  const services = Object.entries({ ...before, ...after }).slice(-MOST_SERVICES);
  return { ...older, ...newer, services: Object.fromEntries(services) };
}

/**
 * Applies desired properties one patch after the other, in the order of their versions: two patches that switch the
 * same service must not overtake each other. What comes in meanwhile waits as one merged patch.
 */
export class DesiredQueue {
  readonly #options: DesiredQueueOptions;
  /** Of the twin that `hub` names; another hub counts its versions anew. */
  #last: { hub: string; version: number } | undefined;
  #waiting: Patch | undefined;
  #running = false;

  constructor(options: DesiredQueueOptions) {
    this.#options = options;
  }

  /**
   * @param whole all desired properties, as they come with every connection: left alone when their version is the one
   *   that was applied last. A lower version is another twin: the identity was made anew.
   */
  take(hub: string, patch: unknown, whole: boolean): void {
    try {
      const checked = validate(Versioned, patch, 'the desired properties') as Patch;
      const last = this.#last?.hub === hub ? this.#last.version : undefined;
      const known = whole ? checked.$version === last : checked.$version <= (last ?? 0);
      if (known) return;
      this.#last = { hub, version: checked.$version };
      this.#waiting = this.#waiting === undefined || whole ? checked : merged(this.#waiting, checked);
    } catch (error) {
      const reason = reasonOf(error);
      this.#options.onInvalid(new TpeError('HUB_PACKET_INVALID', { hub, reason }, { cause: error }));
      return;
    }
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    const { callApi, logger, onApplied } = this.#options;
    this.#running = true;
    for (;;) {
      const patch = this.#waiting;
      if (patch === undefined) break;
      this.#waiting = undefined;
      const acknowledgement = await applyDesired(patch, callApi);
      if (acknowledgement === undefined) continue;
      logger.info({ version: acknowledgement.version }, 'desired properties were applied');
      onApplied(acknowledgement);
    }
    this.#running = false;
  }
}
