/** Refills continuously; never holds more than `burst`. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** One bucket of tokens on a monotonic clock. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  /** @param now monotonic milliseconds. */
  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** Takes one token; false when there is none. */
  take(now: number): boolean {
    const refill = ((now - this.#at) / 1000) * this.#rate.perSecond;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + refill);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

export interface RateLimits {
  readonly perSource: Rate;
  readonly total: Rate;
  /** Sources remembered at once; beyond that the one that asked longest ago is forgotten. */
  readonly largestTable: number;
}

/** One bucket for everybody, and one for each source in a table that cannot grow. */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #total: TokenBucket;
  readonly #sources = new Map<string, TokenBucket>();

  constructor(limits: RateLimits, now: number) {
    this.#limits = limits;
    this.#total = new TokenBucket(limits.total, now);
  }

  get size(): number {
    return this.#sources.size;
  }

  /** True when this source may be answered now. A source that asks too often takes nothing from the others. */
  admits(source: string, now: number): boolean {
    const bucket = this.#sources.get(source) ?? new TokenBucket(this.#limits.perSource, now);
    this.#sources.delete(source);
    this.#sources.set(source, bucket);
    if (this.#sources.size > this.#limits.largestTable) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined) this.#sources.delete(oldest);
    }
    return bucket.take(now) && this.#total.take(now);
  }
}
