import { defineErrors } from './define';

export const servicesErrors = defineErrors({
  SERVICE_UNKNOWN: {
    message: 'service {id} not found',
    advice: 'GET /api/v1/system/services lists the ids.',
    status: 404,
    retryable: false,
  },
  SERVICE_PROTECTED: {
    message: 'service {id} cannot be disabled: {reason}',
    advice: 'Without it nobody could manage this gateway over the network any more.',
    status: 400,
    retryable: false,
  },
  HOST_HELPER_ABSENT: {
    message: 'this system has no root helper, so the setting cannot be applied',
    advice: 'Install the package with systemd and start tpe-helper.socket.',
    status: 503,
    retryable: false,
  },
  HOST_HELPER_FAILED: {
    message: 'the root helper did not answer as it should: {reason}',
    advice: 'Look at "journalctl -u tpe-helper" on the gateway.',
    status: 500,
    retryable: true,
  },
  HOST_REFUSED: {
    message: 'the setting could not be applied: {reason}',
    advice: 'Correct what the reason names; nothing was changed.',
    status: 409,
    retryable: false,
  },
  HOST_COMMAND_FAILED: {
    message: '{command} failed: {reason}',
    advice: 'Run the command by hand on the gateway to see more.',
    status: 409,
    retryable: false,
  },
  CATALOGUE_INVALID: {
    message: 'The service catalogue file {path} is not valid: {reason}',
    advice: 'Correct the file; docs/guides/services.md describes its keys.',
    status: 500,
    retryable: false,
  },
});
