import { defineErrors } from './define';

/** Errors of the local command line, the control socket, the instance lock and the factory step. */
export const agentctlErrors = defineErrors({
  SYSTEM_ADDON_MISSING: {
    message: 'The addon {path} could not be loaded: {reason}',
    advice: 'Install the package for this architecture again; from a source tree run "npm run build".',
    retryable: false,
  },
  STATE_IN_USE: {
    message: 'Another process (pid {pid}) uses the state folder {path}',
    advice:
      'Only one agent may run on a state folder: stop the other one, or give this one a folder of its own.',
    retryable: true,
  },
  IO_URING_ENABLED: {
    message:
      'UV_USE_IO_URING={value}: files written through io_uring would be root’s instead of the service’s',
    advice: 'Run the command again without UV_USE_IO_URING in its environment.',
    retryable: false,
  },
  STATE_FOLDER_UNUSABLE: {
    message: 'The state folder {path} cannot be used: {reason}',
    advice: 'Create it for the service user with mode 0700, or correct paths.state in the settings file.',
    retryable: false,
  },
  CONTROL_LISTEN_FAILED: {
    message: 'The control socket {path} could not be opened: {reason}',
    advice: 'Check paths.runtime, its permissions, and that no other agent uses the same runtime folder.',
    retryable: false,
  },
  CONTROL_FORBIDDEN: {
    message: 'The control socket {path} is for root and the agent itself',
    advice: 'Run the command as root.',
    retryable: false,
  },
  CONTROL_REQUEST_INVALID: {
    message: 'The control request is not valid: {reason}',
    advice: 'Use the tpe-agentctl of the same version as the agent.',
    retryable: false,
  },
  CONTROL_ANSWER_INVALID: {
    message: 'The agent gave no usable answer on {path}: {reason}',
    advice: 'Use the tpe-agentctl of the same version as the agent, and look into its log.',
    retryable: true,
  },
  FACTORY_COMMISSIONED: {
    message: 'The administrator of this gateway has chosen a password already',
    advice: 'The factory step is for new gateways: run "tpe-agentctl factory reset" first.',
    retryable: false,
  },
  FACTORY_TPM_LOCKED: {
    message: 'The TPM is locked out after {counter} of {maxTries} wrong authorizations',
    advice:
      'Clear it with tpm2_dictionarylockout --clear-lockout, or replace the TPM; it cannot leave the factory like this.',
    retryable: true,
  },
  CONFIRMATION_MISSING: {
    message: 'A factory reset cannot be undone, and there is no terminal to ask at',
    advice: 'Nothing was changed. Repeat the command with --yes.',
    retryable: false,
  },
  CONFIRMATION_REFUSED: {
    message: 'The factory reset was not confirmed',
    advice: 'Nothing was changed. Type the serial number as it is shown, or "reset"; a script passes --yes.',
    retryable: false,
  },
  CHECK_UNKNOWN: {
    message: 'There is no check named {id}',
    advice: 'The names are in the output of "tpe-agentctl check" and in docs/reference/checks.md.',
    retryable: false,
  },
  BUNDLE_FAILED: {
    message: 'The bundle could not be packed: {reason}',
    advice: 'Check free space, and that tar and gzip are installed.',
    retryable: false,
  },
  API_LISTEN_FAILED: {
    message: 'The REST API cannot listen on {address}, port {port}: {reason}',
    advice: 'Free the port or set another one with api.port in the settings file.',
    retryable: false,
  },
  HELPER_NOT_ACTIVATED: {
    message: 'The root helper was not started by its socket',
    advice: 'Leave it to systemd: systemctl enable --now tpe-helper.socket.',
    retryable: false,
  },
});
