import { randomUUID } from 'node:crypto';
import { TpeError, isTpeError } from '../../common/errors/tpe-error';

/** Refusals of DPS: HTTP status, its own six-digit code and the sentence. */
export const refusals = {
  badRequest: [400, 400001, 'The request is not valid.'],
  endorsementKey: [400, 400004, 'Endorsement key is invalid, or does not match the Enrollment.'],
  unauthorized: [401, 401002, 'Unauthorized'],
  notFound: [404, 404001, 'Resource not found.'],
  noEnrollment: [404, 404201, 'Enrollment not found.'],
  noRegistration: [404, 404202, 'Registration not found.'],
  noOperation: [404, 404203, 'Operation not found.'],
  methodNotAllowed: [405, 405001, 'The method is not allowed on this resource.'],
  conflict: [409, 409001, 'The resource exists already.'],
  etag: [412, 412001, 'Precondition failed: the ETag does not match.'],
  mediaType: [415, 415001, 'The content type must be application/json.'],
  throttled: [429, 429001, 'Operations are being throttled for this tenant.'],
  internal: [500, 500001, 'Internal server error.'],
} as const satisfies Record<string, readonly [number, number, string]>;

export type RefusalName = keyof typeof refusals;

/** An answer that is no success, to be thrown. `message` overrides the usual sentence. */
export function refusal(name: RefusalName, message?: string): TpeError {
  const [status, errorCode, sentence] = refusals[name];
  return new TpeError('EMU_REFUSED', { status, errorCode, message: message ?? sentence });
}

export interface RefusalBody {
  readonly errorCode: number;
  readonly trackingId: string;
  readonly message: string;
  readonly timestampUtc: string;
}

/** Status and body of anything that was thrown. */
export function refusalAnswer(error: unknown, nowIso: string): { status: number; body: RefusalBody } {
  const known = isTpeError(error, 'EMU_REFUSED') ? error : refusal('internal');
  const { status, errorCode, message } = known.details;
  return {
    status: Number(status),
    body: {
      errorCode: Number(errorCode),
      trackingId: randomUUID(),
      message: String(message),
      timestampUtc: nowIso,
    },
  };
}
