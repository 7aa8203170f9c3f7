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
  HUB_MESSAGE_TOO_LARGE: {
    message: 'A message of {bytes} bytes is larger than the {limit} that fit into one',
    advice: 'Send less at once; the message was not kept.',
    status: 413,
    retryable: false,
  },
  HUB_PACKET_INVALID: {
    message: 'What {hub} sent could not be read and was left out: {reason}',
    advice:
      'Nothing to do for a single one: the connection goes on. Many of them are a defect of the hub, or a proxy that changes what passes.',
    status: 502,
    retryable: true,
  },
  HUB_METHOD_OFF: {
    message: 'The REST API through IoT Hub is switched off on this gateway',
    advice: 'Name a role in azure.directMethodRole of the settings file and reload the agent.',
    status: 403,
    retryable: false,
  },
});
