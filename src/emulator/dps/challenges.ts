import { type SasToken, signedBy } from '../sas/sas';

interface Challenge {
  readonly key: Buffer;
  readonly expiresMs: number;
}

const LIFE_MS = 3_600_000;
/** A device that asks again before it used the first answer may still use it. */
const MOST_PER_DEVICE = 4;
const MOST_DEVICES = 100_000;

/** The keys that devices must prove to have: in memory only, after a restart a device asks again. */
export class Challenges {
  readonly #byId = new Map<string, Challenge[]>();

  add(id: string, key: Buffer, nowMs: number): void {
    const alive = (this.#byId.get(id) ?? []).filter((challenge) => challenge.expiresMs > nowMs);
    // Put at the end of the map's order, so that the oldest device is forgotten first.
    this.#byId.delete(id);
    this.#byId.set(id, [...alive, { key, expiresMs: nowMs + LIFE_MS }].slice(-MOST_PER_DEVICE));
    const [oldest] = this.#byId.keys();
    if (this.#byId.size > MOST_DEVICES && oldest !== undefined) this.#byId.delete(oldest);
  }

  /** True when the token was signed with a challenge of this registration. */
  proves(id: string, token: SasToken, nowMs: number): boolean {
    const challenges = this.#byId.get(id) ?? [];
    return challenges.some(({ key, expiresMs }) => expiresMs > nowMs && signedBy(token, key));
  }

  forget(id: string): void {
    this.#byId.delete(id);
  }
}
