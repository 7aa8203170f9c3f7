import { randomUUID } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import type { Clock } from '../../common/clock';

/** `/sessions/configuration`; times in minutes. */
export const SessionSettings = Type.Object({
  maxCount: Type.Integer({ minimum: 1, maximum: 1024 }),
  maxCountByUser: Type.Integer({ minimum: 1, maximum: 1024 }),
  timeoutMin: Type.Integer({ minimum: 1, maximum: 10_080 }),
  idleTimeoutMin: Type.Integer({ minimum: 1, maximum: 1440 }),
});
export type SessionSettings = Static<typeof SessionSettings>;

export const DEFAULT_SESSION_SETTINGS: SessionSettings = {
  maxCount: 1024,
  maxCountByUser: 5,
  timeoutMin: 1440,
  idleTimeoutMin: 5,
};

export interface Session {
  /** The token's `jti`. */
  readonly id: string;
  readonly userId: number;
  readonly source: string;
  /** Wall clock, for people only: ISO 8601. */
  readonly loginAt: string;
  /** Monotonic, so that a jump of the clock logs nobody out. */
  readonly startedAt: number;
  lastSeenAt: number;
}

const MINUTE_MS = 60_000;

/** Who is logged in. Kept in memory: a restart makes a new signing key, so no token outlives it anyway. */
export class Sessions {
  readonly #clock: Clock;
  readonly #settings: () => SessionSettings;
  readonly #sessions = new Map<string, Session>();

  constructor(clock: Clock, settings: () => SessionSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Opens a session; a user's oldest one ends when there are too many of that user, the oldest of all likewise. */
  open(userId: number, source: string): Session {
    this.#sweep();
    const { maxCount, maxCountByUser } = this.#settings();
    const own = [...this.#sessions.values()].filter((session) => session.userId === userId);
    for (const oldest of own.slice(0, Math.max(0, own.length - maxCountByUser + 1))) this.end(oldest.id);
    for (const id of [...this.#sessions.keys()].slice(0, Math.max(0, this.#sessions.size - maxCount + 1))) {
      this.end(id);
    }
    const now = this.#clock.monotonic();
    const session: Session = {
      id: randomUUID(),
      userId,
      source,
      loginAt: new Date(this.#clock.now()).toISOString(),
      startedAt: now,
      lastSeenAt: now,
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  /** The session, its idle time started anew; `undefined` when it ended or never was. */
  touch(id: string): Session | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    const now = this.#clock.monotonic();
    if (this.#over(session, now)) {
      this.#sessions.delete(id);
      return undefined;
    }
    session.lastSeenAt = now;
    return session;
  }

  end(id: string): boolean {
    return this.#sessions.delete(id);
  }

  /** Ends a user's sessions, except one. */
  endAllOf(userId: number, exceptId?: string): void {
    for (const session of this.#sessions.values()) {
      if (session.userId === userId && session.id !== exceptId) this.#sessions.delete(session.id);
    }
  }

  endAll(): void {
    this.#sessions.clear();
  }

  get count(): number {
    return this.#sessions.size;
  }

  list(): Session[] {
    this.#sweep();
    return [...this.#sessions.values()];
  }

  #over(session: Session, now: number): boolean {
    const { timeoutMin, idleTimeoutMin } = this.#settings();
    return (
      now - session.startedAt >= timeoutMin * MINUTE_MS ||
      now - session.lastSeenAt >= idleTimeoutMin * MINUTE_MS
    );
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const session of this.#sessions.values()) {
      if (this.#over(session, now)) this.#sessions.delete(session.id);
    }
  }
}
