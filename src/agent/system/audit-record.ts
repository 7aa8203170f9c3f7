import { type Static, Type } from '@sinclair/typebox';

/** One line of the audit trail (IEC 62443-4-2 CR 2.8: time, source, category, type, event id, result). */
export const AuditRecord = Type.Object({
  /** Grows by one with every record, across restarts; a gap shows that records are missing. */
  id: Type.Integer({ minimum: 1 }),
  /** ISO 8601 in UTC, by the gateway's clock at that time. */
  at: Type.String(),
  /** Account name; `system` for what the agent does by itself, `-` when nobody is logged in, `*` for several. */
  user: Type.String(),
  /** Address of the client, `local` for the command line, `iothub` for direct methods, `*` for several. */
  source: Type.String(),
  category: Type.String(),
  /** E.g. `login`, or method and path; `*` for several. */
  action: Type.String(),
  /** What was sent, secrets masked; empty when nothing was. */
  detail: Type.String(),
  result: Type.Union([Type.Literal('success'), Type.Literal('refused'), Type.Literal('failed')]),
  /** Error code of the registry; empty on success. */
  code: Type.String(),
  /** How often the same refusal happened in the minute before; 1 for a single event. */
  count: Type.Integer({ minimum: 1 }),
});
export type AuditRecord = Static<typeof AuditRecord>;

export type AuditEvent = Omit<AuditRecord, 'id' | 'at' | 'count'>;

const LONGEST_FIELD = 1024;

/** The record with every field bounded. */
export function boundedRecord(record: AuditRecord): AuditRecord {
  const cut = (value: unknown): unknown =>
    typeof value === 'string' && value.length > LONGEST_FIELD ? `${value.slice(0, LONGEST_FIELD)}…` : value;
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, cut(value)])) as AuditRecord;
}
