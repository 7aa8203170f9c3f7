import { type Verb, toTpmError } from '../../../src/agent/tpm/native-errors';

const context = { tcti: 'device:/dev/tpmrm0', queueLimit: 8 };

function convert(kind: string, command: string, rc = 0, verb: Verb = 'other', reason = '') {
  return toTpmError(Object.assign(new Error(kind), { kind, command, rc, reason }), verb, context);
}

test.each<[string, string, number, Verb, string]>([
  ['rc', 'TPM2_ActivateCredential', 0x1df, 'activate', 'TPM_BLOB_REFUSED'],
  ['rc', 'TPM2_ActivateCredential', 0x101, 'activate', 'TPM_BLOB_REFUSED'],
  ['rc', 'TPM2_ActivateCredential', 0x2e5, 'activate', 'TPM_BLOB_REFUSED'],
  ['rc', 'TPM2_Import', 0x3df, 'activate', 'TPM_BLOB_REFUSED'],
  ['rc', 'TPM2_ActivateCredential', 0x921, 'activate', 'TPM_LOCKOUT'],
  ['rc', 'TPM2_Load', 0x1df, 'load', 'TPM_KEY_REFUSED'],
  ['rc', 'TPM2_Load', 0x9f, 'load', 'TPM_KEY_REFUSED'],
  ['rc', 'TPM2_Load', 0x2c4, 'attest', 'TPM_KEY_REFUSED'],
  ['rc', 'TPM2_Load', 0xc01df, 'load', 'TPM_KEY_REFUSED'],
  ['rc', 'TPM2_Load', 0x902, 'load', 'TPM_OUT_OF_MEMORY'],
  ['rc', 'TPM2_Load', 0x101, 'load', 'TPM_FAILURE_MODE'],
  ['rc', 'TPM2_Load', 0x100, 'load', 'TPM_COMMAND_FAILED'],
  ['rc', 'TPM2_Load', 0x909, 'load', 'TPM_COMMAND_FAILED'],
  ['rc', 'TPM2_Load', 0x910, 'load', 'TPM_COMMAND_FAILED'],
  ['rc', 'TPM2_Load', 0x918, 'attest', 'TPM_COMMAND_FAILED'],
  ['rc', 'TPM2_Load', 0x18b, 'load', 'TPM_COMMAND_FAILED'],
  ['rc', 'TPM2_Load', 0x18a, 'load', 'TPM_COMMAND_FAILED'],
  ['rc', 'TPM2_CreatePrimary (EK)', 0x9a2, 'other', 'TPM_ENDORSEMENT_AUTHORIZATION'],
  ['rc', 'TPM2_PolicySecret', 0x98e, 'activate', 'TPM_ENDORSEMENT_AUTHORIZATION'],
  ['rc', 'TPM2_CreatePrimary (SRK)', 0x9a2, 'activate', 'TPM_OWNER_AUTHORIZATION'],
  ['rc', 'TPM2_EvictControl', 0x9a2, 'load', 'TPM_OWNER_AUTHORIZATION'],
  ['rc', 'TPM2_HMAC', 0x9a2, 'load', 'TPM_COMMAND_FAILED'],
  ['rc', 'TPM2_EvictControl', 0x14b, 'load', 'TPM_NV_FULL'],
  ['rc', 'TPM2_HMAC', 0x922, 'load', 'TPM_BUSY'],
  ['rc', 'TPM2_HMAC', 0x101, 'load', 'TPM_FAILURE_MODE'],
  ['rc', 'TPM2_HMAC', 0x184, 'load', 'TPM_COMMAND_FAILED'],
  ['rc', 'open', 0xa000a, 'other', 'TPM_UNREACHABLE'],
  ['rc', 'TPM2_HMAC', 0xa000a, 'load', 'TPM_GONE'],
  ['rc', 'TPM2_HMAC', 0x80003, 'load', 'TPM_RESPONSE_MALFORMED'],
  ['blob', 'parse', 0, 'activate', 'TPM_BLOB_INVALID'],
  ['blob', 'parse', 0, 'load', 'TPM_KEY_REFUSED'],
  ['unsuitable', 'TPM2_ReadPublic', 0, 'other', 'TPM_EK_UNSUITABLE'],
  ['ekChanged', 'TPM2_CreatePrimary', 0, 'other', 'TPM_EK_CHANGED'],
  ['noIdentityKey', 'TPM2_HMAC', 0, 'load', 'TPM_NO_IDENTITY_KEY'],
  ['timeout', 'TPM2_HMAC', 0xa000a, 'load', 'TPM_TIMEOUT'],
  ['malformed', 'TPM2_HMAC', 0xa0012, 'load', 'TPM_RESPONSE_MALFORMED'],
  ['tpm12', 'TPM2_GetCapability', 0xa0012, 'other', 'TPM_VERSION_UNSUPPORTED'],
  ['closed', '', 0, 'other', 'TPM_CLOSED'],
  ['queueFull', '', 0, 'other', 'TPM_QUEUE_FULL'],
  ['internal', '', 0, 'other', 'INTERNAL'],
])('%s in %s with return code %s while %s is %s', (kind, command, rc, verb, code) => {
  expect(convert(kind, command, rc, verb).code).toBe(code);
});

test('the error carries layer, code, argument, hexadecimal value and command', () => {
  expect(convert('rc', 'TPM2_HMAC', 0x184).toJSON()).toMatchObject({
    code: 'TPM_COMMAND_FAILED',
    message: 'The TPM refused TPM2_HMAC: 0x184 (tpm layer, TPM_RC_VALUE, handle 1)',
    retryable: false,
    details: { command: 'TPM2_HMAC', hex: '0x184', layer: 'tpm', code: 'TPM_RC_VALUE', rc: 0x184 },
  });
});

test('an error that is not the addon’s stays visible as the cause', () => {
  const cause = new TypeError('x');
  expect(toTpmError(cause, 'other', context)).toMatchObject({ code: 'INTERNAL', cause });
});
