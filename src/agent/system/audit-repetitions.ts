import type { Clock, Timer } from '../../common/clock';
import type { AuditEvent } from './audit-record';

interface Repetition {
  readonly event: AuditEvent;
  readonly kind: string;
  /** After the first, which was written at once. */
  more: number;
  readonly timer: Timer;
}

/** In the place of a user, source or action: there were too many different ones to tell them apart. */
export const SEVERAL = '*';

const WINDOW_MS = 60_000;
/** Users that are told apart of one kind of refusal from one source. */
const MOST_USERS = 8;
/** Refusals that are told apart in all. */
const MOST_OPEN = 256;

const keyOf = (...parts: string[]): string => parts.join('\0');

/**
 * Refusals and failures of one user and kind from one source are told once, and counted for a minute. Who invents names,
 * or comes from ever new addresses, ends in records that say "several": whatever strangers do, a minute brings a bounded
 * number of records.
 */
export class Repetitions {
  readonly #clock: Clock;
  readonly #ended: (event: AuditEvent, more: number) => void;
  readonly #open = new Map<string, Repetition>();
  /** Open ones of one kind and source that tell their users apart. */
  readonly #users = new Map<string, number>();

  /** @param ended is told how often an event came again in its minute, if it did. */
  constructor(clock: Clock, ended: (event: AuditEvent, more: number) => void) {
    this.#clock = clock;
    this.#ended = ended;
  }

  /** @returns the event to record now; `undefined` when it was counted. */
  admit(event: AuditEvent): AuditEvent | undefined {
    const { action, category, code, result, source, user } = event;
    const kind = keyOf(source, category, action, code);
    const own = keyOf(kind, user);
    if (this.#counted(own)) return undefined;
    if (this.#open.size >= MOST_OPEN) {
      // No more of these than there are codes in the registry and groups of routes.
      const rest = keyOf(category, code, result);
      const merged = { ...event, user: SEVERAL, source: SEVERAL, action: SEVERAL, detail: '' };
      return this.#counted(rest) ? undefined : this.#begin(rest, '', merged);
    }
    if ((this.#users.get(kind) ?? 0) < MOST_USERS) return this.#begin(own, kind, event);
    return this.#counted(kind) ? undefined : this.#begin(kind, '', { ...event, user: SEVERAL, detail: '' });
  }

  endAll(): void {
    for (const key of [...this.#open.keys()]) this.#end(key);
  }

  #counted(key: string): boolean {
    const known = this.#open.get(key);
    if (known !== undefined) known.more += 1;
    return known !== undefined;
  }

  #begin(key: string, kind: string, event: AuditEvent): AuditEvent {
    const timer = this.#clock.after(WINDOW_MS, () => this.#end(key));
    this.#open.set(key, { event, kind, more: 0, timer });
    if (kind !== '') this.#users.set(kind, (this.#users.get(kind) ?? 0) + 1);
    return event;
  }

  #end(key: string): void {
    const known = this.#open.get(key);
    if (known === undefined) return;
    this.#open.delete(key);
    known.timer.cancel();
    const left = (this.#users.get(known.kind) ?? 1) - 1;
    if (left <= 0) this.#users.delete(known.kind);
    else this.#users.set(known.kind, left);
    if (known.more > 0) this.#ended(known.event, known.more);
  }
}
