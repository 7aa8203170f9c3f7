import { defineErrors } from './define';

export const emulatorErrors = defineErrors({
  EMU_TPM_KEY_INVALID: {
    message: 'The TPM public area is not usable: {reason}',
    advice:
      'Send the base64 of the whole TPM2B_PUBLIC of an RSA-2048 storage key with SHA-256 and AES-128-CFB, as tpm2_createek makes it.',
    status: 400,
    retryable: false,
  },
  EMU_REFUSED: {
    message: 'Refused with {status}: {message}',
    advice: 'Look the code up in the list of refusals in docs/reference/emulator-dps.md.',
    status: 400,
    retryable: false,
  },
  EMU_DEVICE_NOT_CONNECTED: {
    message: 'Device {deviceId} is not connected',
    advice: 'Connect the device, or give the call a connectTimeoutInSeconds.',
    status: 404,
    retryable: true,
  },
  EMU_METHOD_TIMEOUT: {
    message: 'Device {deviceId} did not answer the direct method within {seconds} s',
    advice: 'Check that the device handles this method, or give the call a longer responseTimeoutInSeconds.',
    status: 504,
    retryable: true,
  },
  EMU_LISTEN_FAILED: {
    message: 'The emulator cannot listen on {address} port {port}: {reason}',
    advice: 'Choose another port, or 0 for a free one.',
    retryable: false,
  },
  EMU_OPTION_INVALID: {
    message: '{option} is not valid: {reason}',
    advice: 'See "tpe-cloud-emulator --help".',
    status: 400,
    retryable: false,
  },
});
