const WINDOW_MS = 60_000;

/** Counts in a sliding minute, as DPS's quota on registrations does. */
export class RateLimit {
  #times: number[] = [];

  /** @returns 0 when the request may pass, otherwise the seconds until one may. */
  take(nowMs: number, perMinute: number): number {
    if (perMinute === 0) return 0;
    const from = nowMs - WINDOW_MS;
    const first = this.#times.findIndex((time) => time > from);
    this.#times = first < 0 ? [] : this.#times.slice(first);
    const oldest = this.#times[0];
    if (oldest !== undefined && this.#times.length >= perMinute) {
      return Math.max(1, Math.ceil((oldest + WINDOW_MS - nowMs) / 1000));
    }
    this.#times.push(nowMs);
    return 0;
  }

  /** Requests that passed in the last minute. */
  count(nowMs: number): number {
    return this.#times.filter((time) => time > nowMs - WINDOW_MS).length;
  }
}
