import { defineErrors } from './define';

/** Errors that any program can meet: files, settings, plain HTTP. */
export const commonErrors = defineErrors({
  FILE_WRITE_FAILED: {
    message: '{path} could not be written: {reason}',
    advice: 'Check free space, permissions and whether the file system is read-only.',
    status: 500,
    retryable: true,
  },
  FILE_READ_FAILED: {
    message: '{path} could not be read: {reason}',
    advice: 'Check that the file exists and that this user may read it.',
    status: 500,
    retryable: false,
  },
  STATE_DAMAGED: {
    message: 'Both copies of {path} are damaged: {reason}',
    advice: 'Restore the file from a backup, or run "tpe-agentctl factory reset" to start as new.',
    status: 500,
    retryable: false,
  },
  VALUE_INVALID: {
    message: '{what} is not valid at {place}: {reason}',
    advice: 'Correct the value at the named place.',
    status: 400,
    retryable: false,
  },
  HTTP_UNREACHABLE: {
    message: '{url} could not be reached: {reason}',
    advice: 'Check network, DNS, proxy and firewall between this machine and the server.',
    status: 502,
    retryable: true,
  },
  HTTP_TLS_REFUSED: {
    message: 'The TLS certificate of {url} was refused: {reason}',
    advice:
      'Check the clock and the trusted CA; a captive portal or an intercepting proxy also shows itself like this.',
    status: 502,
    retryable: true,
  },
  HTTP_PROXY_REFUSED: {
    message: 'The proxy refused the way to {url} (HTTP {proxyStatus})',
    advice:
      'Check user and password of the proxy (407), its access rules (403) and that it can reach the server.',
    status: 502,
    retryable: true,
  },
  HTTP_PIN_MISMATCH: {
    message: '{url} presents another public key than the pinned one (expected {expected}, got {actual})',
    advice:
      'Somebody may stand between you and the device, or the device was reset: check it on site before trusting the new key.',
    status: 502,
    retryable: false,
  },
  HTTP_TIMEOUT: {
    message: '{url} did not answer within {timeoutMs} ms',
    advice: 'Check the network; the call is repeated later where the program retries by itself.',
    status: 504,
    retryable: true,
  },
  HTTP_BODY_TOO_LARGE: {
    message: 'The answer of {url} is larger than {limit} bytes',
    advice: 'The server is not what it should be; check the address.',
    status: 502,
    retryable: false,
  },
  INTERNAL: {
    message: 'An internal error happened: {reason}',
    advice: 'This is a defect; please report it with the log lines around it.',
    status: 500,
    retryable: false,
  },
});
