import { defineErrors } from './define';

export const discoveryErrors = defineErrors({
  DISCOVERY_PORT_UNUSABLE: {
    message: 'UDP port {port} cannot be used for discovery: {reason}',
    advice: 'Another program may hold the port (ss -ulpn); stop it, or set [discovery] port.',
    status: 500,
    retryable: true,
  },
});
