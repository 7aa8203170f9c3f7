/** What is counted for every registration ID or device ID. */
export const COUNTED = [
  'dpsChallenges',
  'dpsRegisters',
  'dpsPolls',
  'dpsLookups',
  'dpsRefusals',
  'hubConnects',
  'hubRefusals',
  'hubSessions',
  'reportedPatches',
  'telemetry',
] as const;
export type Counted = (typeof COUNTED)[number];
export type CountedTotals = Record<Counted, number>;

/** Ids come from outside; beyond this many, only the totals go on counting. */
const MOST_IDS = 100_000;

const zeros = (): CountedTotals => Object.fromEntries(COUNTED.map((name) => [name, 0])) as CountedTotals;

/** Counts requests by registration ID or device ID, in lower case; for tests that must know what was *not* asked. */
export class Counters {
  readonly #byId = new Map<string, CountedTotals>();
  #totals = zeros();

  count(id: string, what: Counted): void {
    this.#totals[what] += 1;
    const key = id.toLowerCase();
    let counts = this.#byId.get(key);
    if (counts === undefined) {
      if (this.#byId.size >= MOST_IDS) return;
      counts = zeros();
      this.#byId.set(key, counts);
    }
    counts[what] += 1;
  }

  of(id: string): CountedTotals {
    return { ...(this.#byId.get(id.toLowerCase()) ?? zeros()) };
  }

  all(): { totals: CountedTotals; byId: Record<string, CountedTotals> } {
    return { totals: { ...this.#totals }, byId: Object.fromEntries(this.#byId) };
  }

  reset(): void {
    this.#byId.clear();
    this.#totals = zeros();
  }
}
