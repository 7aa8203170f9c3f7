import { defineErrors } from './define';

export const deviceErrors = defineErrors({
  DEVICE_MAC_UNKNOWN: {
    message: 'No network interface of this machine has a MAC address',
    advice: 'Set macAddress in section [device] of the settings file.',
    status: 500,
    retryable: false,
  },
});
