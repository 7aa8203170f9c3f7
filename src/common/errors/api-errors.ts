import { defineErrors } from './define';

/** Where ThingsPro Edge documents a sentence, the message is that sentence, word for word. */
export const apiErrors = defineErrors({
  API_LOGIN_FAILED: {
    message: 'the account or password you entered is not correct',
    advice: 'Check name and password; repeated failures lock the account for a while.',
    status: 401,
    retryable: false,
  },
  API_TOKEN_INVALID: {
    message: 'the token is missing, expired or not valid',
    advice: 'Log in with POST /api/v1/auth and send the token as "Authorization: Bearer …".',
    status: 401,
    retryable: false,
  },
  API_PASSWORD_MUST_CHANGE: {
    message: 'passwordMustChange: the initial password must be changed before any operation',
    advice: 'Change it with PUT /api/v1/users/me/password, then log in again.',
    status: 403,
    retryable: false,
  },
  API_PERMISSION_DENIED: {
    message: 'permission denied',
    advice: 'Ask an administrator for a role with the permission, or log in with another account.',
    status: 403,
    retryable: false,
  },
  API_ACCOUNT_BANNED: {
    message: 'the account was banned temporarily',
    advice: 'Too many wrong passwords: wait until the lock window has passed, about {retryAfterSec} s.',
    status: 423,
    retryable: true,
  },
  API_ACCOUNTS_LOCKED: {
    message: 'The stored accounts are damaged, so nobody can log in: {reason}',
    advice: 'Restore the accounts file from a backup, or run "tpe-agentctl factory reset" on the gateway.',
    status: 503,
    retryable: false,
  },
  API_EULA_NOT_ACCEPTED: {
    message: 'invalid input, err: acceptEULA need be true',
    advice: 'Send "acceptEULA": true, or leave it out.',
    status: 400,
    retryable: false,
  },
  API_PASSWORD_IS_DEFAULT: {
    message: 'New password should be different from default password.',
    advice: 'Choose a password that is not a factory password.',
    status: 400,
    retryable: false,
  },
  API_PASSWORD_UNCHANGED: {
    message: 'New password should be different from old password.',
    advice: 'Choose another password than the present one.',
    status: 400,
    retryable: false,
  },
  API_PASSWORD_TOO_WEAK: {
    message: 'invalid input, err: password {reason}',
    advice: 'GET /api/v1/password-policy shows the rules.',
    status: 400,
    retryable: false,
  },
  API_OLD_PASSWORD_WRONG: {
    message: 'invalid input, err: oldPassword is not correct',
    advice: 'Send the present password as oldPassword.',
    status: 400,
    retryable: false,
  },
  API_INPUT_INVALID: {
    message: 'invalid input, err: {reason}',
    advice: 'Correct the request; /api/v1/openapi.json describes every route.',
    status: 400,
    retryable: false,
  },
  API_NOT_FOUND: {
    message: '{what} not found',
    advice: 'Check the path; /api/v1/openapi.json lists every route.',
    status: 404,
    retryable: false,
  },
  API_METHOD_NOT_ALLOWED: {
    message: 'method {method} is not allowed here',
    advice: 'The Allow header lists the methods of this path.',
    status: 405,
    retryable: false,
  },
  API_CONFLICT: {
    message: 'conflict: {reason}',
    advice: 'Read the present state and repeat the request with what fits it.',
    status: 409,
    retryable: false,
  },
  API_BODY_TOO_LARGE: {
    message: 'the request is larger than {limit} bytes',
    advice: 'Send less in one request.',
    status: 413,
    retryable: false,
  },
  API_MEDIA_TYPE: {
    message: 'this content type is not supported',
    advice: 'Send JSON, with Content-Type application/json or without a Content-Type.',
    status: 415,
    retryable: false,
  },
  API_BUSY: {
    message: 'too many requests at the same time',
    advice: 'Repeat the request a little later.',
    status: 503,
    retryable: true,
  },
  API_TPM_ABSENT: {
    message: 'this device is not support TPM',
    advice: 'Check that the TPM is enabled in the firmware and that the agent may open /dev/tpmrm0.',
    status: 404,
    retryable: false,
  },
  API_CERTIFICATE_REFUSED: {
    message: 'invalid input, err: the certificate is refused: {reason}',
    advice: 'Correct the certificate or its key; the present one stays active.',
    status: 400,
    retryable: false,
  },
  API_ALLOW_LIST_INVALID: {
    message: '[api] allow: {network} is no network',
    advice: 'Write networks like 192.168.4.0/24 or fe80::/10.',
    retryable: false,
  },
  API_TLS_KEY_DAMAGED: {
    message: 'The TLS key {path} cannot be used: {reason}',
    advice:
      'Restore it from a backup, or delete it: a new key is made, and clients that pinned the old one must be told.',
    retryable: false,
  },
});
