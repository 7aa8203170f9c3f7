import { TpeError } from '../../common/errors/tpe-error';

interface Waiting {
  readonly order: number;
  readonly go: () => void;
  readonly refuse: (error: TpeError) => void;
}

/**
 * Does one thing after the other; of those that wait the one of the smallest order is next, the earlier one of two
 * equals. When too many wait, the last in line has to go, which may be one that waited already.
 */
export class OrderedQueue {
  readonly #longest: number;
  readonly #waiting: Waiting[] = [];
  #busy = false;

  /** @param longest how many may wait, besides the one that runs. */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** @throws API_BUSY when it was the last in a line that is full, and whatever `work` throws. */
  async run<T>(work: () => Promise<T>, order: number): Promise<T> {
    await this.#turn(order);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy = false;
      else next.go();
    }
  }

  async #turn(order: number): Promise<void> {
    if (!this.#busy) {
      this.#busy = true;
      return;
    }
    await new Promise<void>((go, refuse) => {
      const behind = this.#waiting.findIndex((other) => other.order > order);
      this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, { order, go, refuse });
      if (this.#waiting.length > this.#longest) this.#waiting.pop()?.refuse(new TpeError('API_BUSY'));
    });
  }
}
