/** What the registry knows about one error code. Sentences may hold `{name}` places, filled from the error's details. */
export interface ErrorDefinition {
  /** What happened, in one sentence. */
  readonly message: string;
  /** What the reader should do about it, in one sentence. */
  readonly advice: string;
  /** HTTP status where the error can reach a REST client. */
  readonly status?: number;
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
}

/** Keeps the literal keys of an area's table, so that a code is a type. */
export function defineErrors<const T extends Record<string, ErrorDefinition>>(table: T): T {
  return table;
}
