import { EventEmitter } from 'node:events';
import { type Static, Type } from '@sinclair/typebox';
import { RegistrationId } from '../dps/records';

/** Places where a fault can strike. */
export const FAULT_POINTS = [
  'dps-challenge',
  'dps-register',
  'dps-poll',
  'dps-service',
  'hub-connect',
  'hub-publish',
  'hub-service',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

const MAX_DELAY_MS = 3_600_000;
/** A hundred years. */
export const FARTHEST_OFFSET_MS = 3_155_760_000_000;

export const FaultAction = Type.Union([
  /** Closes the connection without an answer. */
  Type.Object({ type: Type.Literal('drop') }, { additionalProperties: false }),
  /** Never answers; the connection stays open. */
  Type.Object({ type: Type.Literal('silence') }, { additionalProperties: false }),
  /** Answers late, in milliseconds. */
  Type.Object(
    { type: Type.Literal('delay'), delayMs: Type.Integer({ minimum: 0, maximum: MAX_DELAY_MS }) },
    { additionalProperties: false },
  ),
  /** Answers with an HTTP status, headers and body of choice. */
  Type.Object(
    {
      type: Type.Literal('status'),
      status: Type.Integer({ minimum: 200, maximum: 599 }),
      headers: Type.Optional(Type.Record(Type.String(), Type.String())),
      body: Type.Optional(Type.Unknown()),
    },
    { additionalProperties: false },
  ),
  /** Answers what is not JSON, or not MQTT. */
  Type.Object({ type: Type.Literal('garbage') }, { additionalProperties: false }),
  /** Flips a bit in one of the six fields of the authenticationKey. */
  Type.Object(
    { type: Type.Literal('corruptBlob'), field: Type.Integer({ minimum: 1, maximum: 6 }) },
    { additionalProperties: false },
  ),
  /** Cuts the authenticationKey to this many bytes. */
  Type.Object(
    { type: Type.Literal('cutBlob'), bytes: Type.Integer({ minimum: 0, maximum: 4096 }) },
    { additionalProperties: false },
  ),
  /** Makes the authenticationKey for another key than the one that will be checked. */
  Type.Object({ type: Type.Literal('wrongKey') }, { additionalProperties: false }),
  /** Makes the authenticationKey for a fresh RSA key instead of the device's EK. */
  Type.Object({ type: Type.Literal('wrongEk') }, { additionalProperties: false }),
  /** Ends the registration so. */
  Type.Object(
    {
      type: Type.Literal('result'),
      status: Type.Union([Type.Literal('failed'), Type.Literal('disabled'), Type.Literal('unassigned')]),
      errorCode: Type.Optional(Type.Integer()),
      errorMessage: Type.Optional(Type.String()),
    },
    { additionalProperties: false },
  ),
  /** Refuses a CONNECT. */
  Type.Object(
    { type: Type.Literal('connack'), code: Type.Integer({ minimum: 1, maximum: 5 }) },
    { additionalProperties: false },
  ),
  /** The device's token ends now: its connection drops, and the token opens none again. */
  Type.Object({ type: Type.Literal('expireToken') }, { additionalProperties: false }),
  /** The device's home becomes another hub. */
  Type.Object(
    { type: Type.Literal('moveHub'), hub: Type.String({ minLength: 1, maxLength: 255 }) },
    { additionalProperties: false },
  ),
  /** The clock of the services is set, in milliseconds beside the machine's; it stays so. */
  Type.Object(
    {
      type: Type.Literal('clockOffset'),
      offsetMs: Type.Integer({ minimum: -FARTHEST_OFFSET_MS, maximum: FARTHEST_OFFSET_MS }),
    },
    { additionalProperties: false },
  ),
]);
export type FaultAction = Static<typeof FaultAction>;

export const FaultRule = Type.Object(
  {
    point: Type.Union(FAULT_POINTS.map((point) => Type.Literal(point))),
    action: FaultAction,
    /** Registration ID or device ID; every one when absent. */
    id: Type.Optional(RegistrationId),
    /** Strikes this often; for ever when absent. */
    times: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Lets this many pass first. */
    skip: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Share of the matches that it strikes, drawn at random; all when absent. */
    probability: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  },
  { additionalProperties: false },
);
/** Spelled out: a union of mapped literals has no static type of its own. */
export interface FaultRule {
  readonly point: FaultPoint;
  readonly action: FaultAction;
  readonly id?: string;
  readonly times?: number;
  readonly skip?: number;
  readonly probability?: number;
}

export interface FaultStatus extends FaultRule {
  readonly ruleId: number;
  /** How often it struck. */
  readonly struck: number;
}

const MOST_RULES = 1000;

interface FaultEvents {
  /** A rule struck; for actions that change more than the answer. */
  strike: [action: FaultAction, id: string];
}

/** The rules that say where the emulator misbehaves; the first that fits strikes. */
export class Faults extends EventEmitter<FaultEvents> {
  readonly #rules = new Map<number, { rule: FaultRule; seen: number; struck: number }>();
  #lastId = 0;

  /** @returns the rule's number; `undefined` when there are too many. */
  add(rule: FaultRule): number | undefined {
    if (this.#rules.size >= MOST_RULES) return undefined;
    this.#lastId += 1;
    this.#rules.set(this.#lastId, { rule, seen: 0, struck: 0 });
    return this.#lastId;
  }

  remove(ruleId: number): boolean {
    return this.#rules.delete(ruleId);
  }

  clear(): void {
    this.#rules.clear();
  }

  list(): FaultStatus[] {
    return [...this.#rules].map(([ruleId, { rule, struck }]) => ({ ...rule, ruleId, struck }));
  }

  take(point: FaultPoint, id: string): FaultAction | undefined {
    for (const entry of this.#rules.values()) {
      const { rule } = entry;
      if (rule.point !== point) continue;
      if (rule.id !== undefined && rule.id.toLowerCase() !== id.toLowerCase()) continue;
      if (rule.times !== undefined && entry.struck >= rule.times) continue;
      entry.seen += 1;
      if (entry.seen <= (rule.skip ?? 0)) continue;
      if (rule.probability !== undefined && Math.random() >= rule.probability) continue;
      entry.struck += 1;
      this.emit('strike', rule.action, id);
      return rule.action;
    }
    return undefined;
  }
}
