import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { NativeFailure } from './native';
import { RC, type ReturnCode, decodeReturnCode } from './return-code';

/** What the caller wanted, where the same code means different things. */
export type Verb = 'activate' | 'attest' | 'load' | 'other';

function isNativeFailure(error: unknown): error is Error & NativeFailure {
  return (
    typeof error === 'object' && error !== null && 'kind' in error && 'command' in error && 'rc' in error
  );
}

/** An error of the addon as one of the registry. */
export function toTpmError(
  error: unknown,
  verb: Verb,
  context: { tcti: string; queueLimit: number },
): TpeError {
  if (!isNativeFailure(error)) return new TpeError('INTERNAL', { reason: reasonOf(error) }, { cause: error });
  const { command, reason } = error;
  const rc = decodeReturnCode(error.rc);
  const common = { command, reason, ...detailsOf(rc) };
  const options = { cause: error };
  switch (error.kind) {
    case 'rc':
      return fromReturnCode(rc, verb, common, context.tcti, options);
    case 'blob':
      return new TpeError(blobCode(verb), common, options);
    case 'keyBlob':
      return new TpeError('TPM_KEY_REFUSED', common, options);
    case 'unsuitable':
      return new TpeError('TPM_EK_UNSUITABLE', common, options);
    case 'ekChanged':
      return new TpeError('TPM_EK_CHANGED', common, options);
    case 'noIdentityKey':
      return new TpeError('TPM_NO_IDENTITY_KEY', common, options);
    case 'closed':
      return new TpeError('TPM_CLOSED', {}, options);
    case 'queueFull':
      return new TpeError('TPM_QUEUE_FULL', { limit: context.queueLimit }, options);
    case 'abandoned':
      return new TpeError(
        'TPM_TIMEOUT',
        { command: 'a command', reason: 'the connection was given up' },
        options,
      );
    case 'timeout':
      return new TpeError('TPM_TIMEOUT', common, options);
    case 'malformed':
      return new TpeError('TPM_RESPONSE_MALFORMED', common, options);
    case 'tpm12':
      return new TpeError('TPM_VERSION_UNSUPPORTED', common, options);
    default:
      return new TpeError('INTERNAL', { reason: `${error.kind}: ${reason}` }, options);
  }
}

function detailsOf(rc: ReturnCode): Record<string, string | number> {
  return {
    rc: rc.rc,
    hex: rc.hex,
    layer: rc.layer,
    code: rc.name,
    place: rc.argument ? `, ${rc.argument.kind} ${rc.argument.number}` : '',
  };
}

function fromReturnCode(
  rc: ReturnCode,
  verb: Verb,
  details: Record<string, string | number>,
  tcti: string,
  options: { cause: unknown },
): TpeError {
  const command = String(details['command']);
  if (rc.layer === 'sys' || rc.layer === 'mu')
    return new TpeError('TPM_RESPONSE_MALFORMED', { ...details, reason: rc.hex }, options);
  if (rc.layer !== 'tpm' && rc.layer !== 'resource-manager') {
    return command === 'open'
      ? new TpeError('TPM_UNREACHABLE', { ...details, tcti }, options)
      : new TpeError('TPM_GONE', details, options);
  }
  switch (rc.base) {
    case RC.YIELDED:
    case RC.TESTING:
    case RC.NV_RATE:
    case RC.RETRY:
    case RC.NV_UNAVAILABLE:
      return new TpeError('TPM_BUSY', details, options);
    case RC.LOCKOUT:
      return new TpeError('TPM_LOCKOUT', details, options);
    case RC.OBJECT_MEMORY:
    case RC.SESSION_MEMORY:
    case RC.MEMORY:
    case RC.SESSION_HANDLES:
      return new TpeError('TPM_OUT_OF_MEMORY', details, options);
    case RC.NV_SPACE:
      return new TpeError('TPM_NV_FULL', details, options);
    case RC.BAD_AUTH:
    case RC.AUTH_FAIL:
      return new TpeError(authorizationOf(command), details, options);
    default:
      return new TpeError(otherwise(command, verb, rc), details, options);
  }
}

/** Which hierarchy's value the TPM asked for; keys of ours have none. */
function authorizationOf(
  command: string,
): 'TPM_OWNER_AUTHORIZATION' | 'TPM_ENDORSEMENT_AUTHORIZATION' | 'TPM_COMMAND_FAILED' {
  if (command === 'TPM2_CreatePrimary (EK)' || command === 'TPM2_PolicySecret') {
    return 'TPM_ENDORSEMENT_AUTHORIZATION';
  }
  if (command === 'TPM2_CreatePrimary (SRK)' || command === 'TPM2_EvictControl') {
    return 'TPM_OWNER_AUTHORIZATION';
  }
  return 'TPM_COMMAND_FAILED';
}

/** What a malformed structure means by where it came from. */
function blobCode(verb: Verb): 'TPM_BLOB_INVALID' | 'TPM_CREDENTIAL_REFUSED' | 'TPM_KEY_REFUSED' {
  if (verb === 'activate') return 'TPM_BLOB_INVALID';
  return verb === 'attest' ? 'TPM_CREDENTIAL_REFUSED' : 'TPM_KEY_REFUSED';
}

/** TPM 2.0 Part 3, 12.2: Load names the private or public area as a parameter, in format one. */
function objectsToKey(rc: ReturnCode): boolean {
  return rc.base === RC.INTEGRITY || rc.argument?.kind === 'parameter';
}

function otherwise(
  command: string,
  verb: Verb,
  rc: ReturnCode,
):
  | 'TPM_BLOB_REFUSED'
  | 'TPM_CREDENTIAL_REFUSED'
  | 'TPM_KEY_REFUSED'
  | 'TPM_FAILURE_MODE'
  | 'TPM_COMMAND_FAILED' {
  // TPMs differ in the code for a wrong EK (0x101, 0x2E5, 0x1DF, …), so the command decides, not the code.
  if (verb === 'activate' && (command === 'TPM2_ActivateCredential' || command === 'TPM2_Import')) {
    return 'TPM_BLOB_REFUSED';
  }
  if (verb === 'attest' && command === 'TPM2_ActivateCredential') return 'TPM_CREDENTIAL_REFUSED';
  // Whoever hears "refused" gives the key up for good: only what the TPM objects to in the key itself counts, not a TPM
  // that is broken, was interrupted or lost the parent.
  if (verb !== 'other' && command === 'TPM2_Load' && objectsToKey(rc)) return 'TPM_KEY_REFUSED';
  return rc.base === RC.FAILURE ? 'TPM_FAILURE_MODE' : 'TPM_COMMAND_FAILED';
}
