import { defineErrors } from './define';

export const hubErrors = defineErrors({
  HUB_REFUSED: {
    message: '{hub} refused device {deviceId} (CONNACK {returnCode})',
    advice:
      'Check that the device exists and is enabled in the IoT Hub; the gateway tries fresh tokens and then registers again.',
    status: 502,
    retryable: true,
  },
  HUB_UNREACHABLE: {
    message: '{hub} could not be reached: {reason}',
    advice: 'Check network, DNS, firewall (TCP 8883 outwards) and proxy.',
    status: 502,
    retryable: true,
  },
  HUB_TLS_REFUSED: {
    message: 'The TLS certificate of {hub} was refused: {reason}',
    advice:
      'Check the clock and azure.trustedCaFile; a captive portal or an intercepting proxy also shows itself like this.',
    status: 502,
    retryable: true,
  },
  HUB_TIMEOUT: {
    message: '{hub} did not answer within {timeoutMs} ms',
    advice: 'Check network and firewall; the attempt is repeated.',
    status: 504,
    retryable: true,
  },
  HUB_CONNECTION_LOST: {
    message: 'The connection to {hub} was lost: {reason}',
    advice: 'Nothing to do: the gateway connects again. Check the network when it happens often.',
    status: 502,
    retryable: true,
  },
  HUB_TOKEN_FAILED: {
    message: 'The TPM could not sign a token for {hub}: {reason}',
    advice: 'Run "tpe-agentctl check" on the gateway to see the state of its TPM.',
    status: 503,
    retryable: true,
  },
  HUB_NOT_CONNECTED: {
    message: 'There is no connection to an IoT Hub',
    advice: 'See GET /provisioning for the state of the connection and its last error.',
    status: 503,
    retryable: true,
  },
});
