import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { HttpsAnswer } from '../../common/http/request';
import { retryAfterMs } from '../../common/http/http-dates';
import { redact } from '../../common/redact';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';

/** Base64 of at most 8 KiB: a captured authenticationKey has 920 bytes. */
const KeyBlob = Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: 8192 });
const Id = Type.String({ minLength: 1, maxLength: 256 });
const HostName = Type.String({ pattern: '^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$' });

export const ChallengeAnswer = Type.Object({ authenticationKey: KeyBlob });

const Refusal = Type.Object({
  errorCode: Type.Optional(Type.Integer()),
  message: Type.Optional(Type.String()),
  trackingId: Type.Optional(Type.String()),
});

export const OperationAnswer = Type.Object({
  operationId: Type.Optional(Id),
  status: Type.String({ maxLength: 32 }),
  registrationState: Type.Optional(
    Type.Object({
      errorCode: Type.Optional(Type.Integer()),
      errorMessage: Type.Optional(Type.String()),
    }),
  ),
});
export type OperationAnswer = Static<typeof OperationAnswer>;

/** `registrationState` of a finished registration. */
export const AssignedState = Type.Object({
  tpm: Type.Object({ authenticationKey: KeyBlob }),
  assignedHub: HostName,
  deviceId: Type.String({ pattern: "^[A-Za-z0-9\\-:.+%_#*?!(),=@$']{1,128}$" }),
  substatus: Type.Optional(Type.String({ maxLength: 64 })),
  payload: Type.Optional(Type.Unknown()),
});
export type AssignedState = Static<typeof AssignedState>;

const LONGEST_REASON = 300;

/** Where an answer came from, for its error sentences. */
export interface AnswerOrigin {
  readonly host: string;
  readonly idScope: string;
  readonly registrationId: string;
}

/**
 * The JSON of an answer, checked.
 * @throws DPS_ANSWER_INVALID
 */
export function readAnswer<T extends TSchema>(
  schema: T,
  answer: HttpsAnswer,
  origin: AnswerOrigin,
): Static<T> {
  try {
    return validate(schema, JSON.parse(answer.text), 'the answer');
  } catch (error) {
    const reason = `HTTP ${answer.status}: ${reasonOf(error)}`.slice(0, LONGEST_REASON);
    throw new TpeError('DPS_ANSWER_INVALID', { host: origin.host, reason }, { cause: error });
  }
}

function refusalOf(answer: HttpsAnswer): Static<typeof Refusal> {
  try {
    return validate(Refusal, JSON.parse(answer.text), 'the refusal');
  } catch (error) {
    return { message: `the answer says no more (${reasonOf(error)})` };
  }
}

/** Seconds to wait when DPS says 429 without saying how long. */
const DEFAULT_THROTTLE_SEC = 30;

/**
 * The registered error behind an answer that is no success; `nowMs` is for a Retry-After date.
 * @param withToken whether the request carried our proof.
 */
export function refusalError(
  answer: HttpsAnswer,
  origin: AnswerOrigin,
  { withToken, nowMs }: { withToken: boolean; nowMs: number },
): TpeError {
  const { status: httpStatus } = answer;
  const refusal = refusalOf(answer);
  const waitMs = retryAfterMs(answer.headers, nowMs);
  const { registrationId, idScope } = origin;
  const details = {
    httpStatus,
    registrationId,
    idScope,
    errorCode: refusal.errorCode ?? 0,
    reason: redact(refusal.message ?? '').slice(0, LONGEST_REASON),
    ...(refusal.trackingId === undefined ? {} : { trackingId: refusal.trackingId.slice(0, 128) }),
    ...(waitMs === undefined ? {} : { retryAfterSec: Math.ceil(waitMs / 1000) }),
  };
  if (httpStatus === 429) {
    return new TpeError('DPS_THROTTLED', { retryAfterSec: DEFAULT_THROTTLE_SEC, ...details });
  }
  if (httpStatus >= 500) return new TpeError('DPS_UNAVAILABLE', details);
  if (httpStatus === 404) return new TpeError('DPS_ENROLLMENT_NOT_FOUND', details);
  if (httpStatus === 401 && withToken) return new TpeError('DPS_TOKEN_REFUSED', details);
  if (httpStatus >= 400) return new TpeError('DPS_REFUSED', details);
  return new TpeError('DPS_ANSWER_INVALID', { ...details, host: origin.host, reason: `HTTP ${httpStatus}` });
}

/** The registered error behind a registration that ended without a hub; `undefined` while it goes on or when assigned. */
export function endedBadly(answer: OperationAnswer, origin: AnswerOrigin): TpeError | undefined {
  const { registrationId } = origin;
  const details = {
    registrationId,
    errorCode: answer.registrationState?.errorCode ?? 0,
    reason: redact(answer.registrationState?.errorMessage ?? 'DPS gave no reason').slice(0, LONGEST_REASON),
  };
  switch (answer.status.toLowerCase()) {
    case 'assigned':
    case 'assigning':
      return undefined;
    case 'failed':
      return new TpeError('DPS_ASSIGNMENT_FAILED', details);
    case 'disabled':
      return new TpeError('DPS_ENROLLMENT_DISABLED', details);
    case 'unassigned':
      return new TpeError('DPS_UNASSIGNED', details);
    default:
      return new TpeError('DPS_ANSWER_INVALID', {
        host: origin.host,
        reason: `it has the unknown status "${answer.status}"`,
      });
  }
}
