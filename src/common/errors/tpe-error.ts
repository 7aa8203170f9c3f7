import { type ErrorCode, errorDefinition } from './registry';

/** Values for the `{name}` places of an error's sentences; also logged and shown with `--json`. Never secrets. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

function fill(sentence: string, details: ErrorDetails): string {
  return sentence.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = details[name];
    return value === undefined ? place : String(value);
  });
}

/** An error of the registry. Recognise it by `code` with {@link isTpeError}, never by `instanceof`. */
export class TpeError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly advice: string;
  readonly retryable: boolean;
  /** HTTP status for a REST client; 500 where the registry names none. */
  readonly status: number;

  constructor(
    code: ErrorCode,
    details: ErrorDetails = {},
    options: { cause?: unknown; retryable?: boolean } = {},
  ) {
    const definition = errorDefinition(code);
    super(
      definition ? fill(definition.message, details) : code,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.name = 'TpeError';
    this.code = code;
    this.details = details;
    this.advice = definition ? fill(definition.advice, details) : '';
    this.retryable = options.retryable ?? definition?.retryable ?? false;
    this.status = definition?.status ?? 500;
  }

  /** What `--json`, state files and the API show. */
  toJSON(): { code: ErrorCode; message: string; advice: string; retryable: boolean; details: ErrorDetails } {
    const { code, message, advice, retryable, details } = this;
    return { code, message, advice, retryable, details };
  }
}

/** True for an error of the registry; with `code`, for that one only. Works across jest's realms and bundles. */
export function isTpeError<C extends ErrorCode>(
  error: unknown,
  ...codes: C[]
): error is TpeError & { code: C } {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('advice' in error)) return false;
  const { code } = error;
  if (typeof code !== 'string' || errorDefinition(code) === undefined) return false;
  return codes.length === 0 || (codes as string[]).includes(code);
}

/** The sentence of anything that was thrown. */
export function reasonOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) {
    // Node's AggregateError (several addresses tried) has an empty message and the reasons inside.
    if (error.message === '' && 'errors' in error && Array.isArray(error.errors)) {
      return error.errors.map(reasonOf).join('; ');
    }
    return String(error.message);
  }
  return String(error);
}

/** The `code` of a Node.js or registry error; `undefined` when there is none. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Anything that was thrown as an error of the registry; a stranger becomes INTERNAL with itself as cause. */
export function toTpeError(error: unknown): TpeError {
  return isTpeError(error) ? error : new TpeError('INTERNAL', { reason: reasonOf(error) }, { cause: error });
}
