import type { EnrollmentRequest } from './enrollment';
import type { DpsService, EnrollmentOutcome } from './service';

/** DPS takes ten at a time. */
const MOST_IN_ONE_CALL = 10;
/** How long the first of a batch waits for company. */
const GATHER_MS = 40;

interface Waiting {
  readonly request: EnrollmentRequest;
  readonly replace: boolean;
  readonly resolve: (outcome: EnrollmentOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers the enrollments that are wanted at the same time into bulk calls, so that thousands fit under the service's
 * limit. What a bulk call does not create (because it is there already) is looked at one by one.
 */
export class BulkEnroller {
  readonly #dps: DpsService;
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(dps: DpsService) {
    this.#dps = dps;
  }

  ensure(request: EnrollmentRequest, replace: boolean): Promise<EnrollmentOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, replace, resolve, reject });
      if (this.#waiting.length >= MOST_IN_ONE_CALL) this.#flush();
      else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 1 && batch[0] !== undefined) this.#single(batch[0]);
    else void this.#many(batch);
  }

  #single({ request, replace, resolve, reject }: Waiting): void {
    this.#dps.ensure(request, replace).then(resolve, reject);
  }

  async #many(batch: readonly Waiting[]): Promise<void> {
    try {
      const refused = await this.#dps.createMany(batch.map(({ request }) => request));
      for (const waiting of batch) {
        if (refused.has(waiting.request.registrationId)) this.#single(waiting);
        else waiting.resolve('created');
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
