import { defineErrors } from './define';

export const configErrors = defineErrors({
  SETTINGS_UNREADABLE: {
    message: 'The settings file {path} could not be read: {reason}',
    advice: 'Check the path given with --config and that this user may read the file.',
    retryable: false,
  },
  SETTINGS_SYNTAX: {
    message: '{path}:{line}:{column}: this is not TOML: {reason}',
    advice: 'Correct the line; nothing was started. The commented default file shows every key.',
    retryable: false,
  },
  SETTINGS_INVALID: {
    message: '{path}:{line}: {key}: {reason}',
    advice: 'Correct the key; nothing was started. The commented default file shows every key and its range.',
    retryable: false,
  },
});
