import { TpeError } from '../../common/errors/tpe-error';
import { remember } from './bounded-table';

/** Whose work it is, and what each piece of it costs: the owners of cheap work are served more often. */
export interface Share {
  readonly owner: string;
  /** Greater than 0. */
  readonly cost: number;
}

/** When a piece begins and ends in virtual time, if it is served in its turn. */
interface Place extends Share {
  readonly start: number;
  readonly end: number;
}

interface Waiting extends Place {
  readonly go: () => void;
  readonly refuse: (error: TpeError) => void;
}

/**
 * Does one thing after the other, fairly between owners (start-time fair queueing, Goyal, Vin and Cheng 1996, served by
 * the end): a piece starts at the end of its owner's last one, or now if that is later, and ends its cost later. The
 * smallest end is next, and its start is "now" from then on. So whoever asks often waits behind those who ask once, and
 * cheap work overtakes all that is dear. When too many wait, the last in line has to go, which may be one that waited
 * already.
 */
export class FairQueue {
  readonly #longest: number;
  readonly #waiting: Waiting[] = [];
  /** End of each owner's last piece. */
  readonly #ends = new Map<string, number>();
  #now = 0;
  #busy = false;

  /** @param longest how many may wait, besides the one that runs. */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** @throws API_BUSY when it was the last in a line that is full, and whatever `work` throws. */
  async run<T>(work: () => Promise<T>, share: Share): Promise<T> {
    await this.#turn(this.#place(share));
    try {
      return await work();
    } finally {
      this.#busy = false;
      const next = this.#waiting.shift();
      if (next !== undefined) {
        this.#serve(next);
        next.go();
      }
    }
  }

  #place(share: Share): Place {
    const start = Math.max(this.#now, this.#ends.get(share.owner) ?? 0);
    const end = start + share.cost;
    remember(this.#ends, share.owner, end);
    return { ...share, start, end };
  }

  async #turn(place: Place): Promise<void> {
    if (!this.#busy) {
      this.#serve(place);
      return;
    }
    await new Promise<void>((go, refuse) => {
      const behind = this.#waiting.findIndex((other) => other.end > place.end);
      this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, { ...place, go, refuse });
      if (this.#waiting.length > this.#longest) this.#dismissLast();
    });
  }

  #serve({ start }: Place): void {
    this.#busy = true;
    this.#now = Math.max(this.#now, start);
  }

  #dismissLast(): void {
    const last = this.#waiting.pop();
    if (last === undefined) return;
    // It was not served, so it costs nothing: no other piece of its owner ends later.
    remember(this.#ends, last.owner, last.start);
    last.refuse(new TpeError('API_BUSY'));
  }
}
