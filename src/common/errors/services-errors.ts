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
});
