/** Bounds of an exponential back-off, in milliseconds. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * Full jitter: uniform in [0, min(cap, base × 2^attempt)]. After a power cut a thousand gateways start in the same
 * second; anything narrower keeps them in step (AWS Architecture Blog, "Exponential Backoff And Jitter").
 * @param attempt 0 for the first retry.
 * @param random uniform in [0, 1).
 */
export function fullJitter(
  attempt: number,
  options: BackoffOptions,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(options.capMs, options.baseMs * 2 ** Math.min(attempt, 40));
  return Math.floor(random() * (ceiling + 1));
}
