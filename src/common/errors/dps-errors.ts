import { defineErrors } from './define';

/** The texts of the AZURE_* refusals are ThingsPro Edge's own, word for word: existing clients match on them. */
export const dpsErrors = defineErrors({
  AZURE_SCOPE_ID_MISSING: {
    message: 'invalid input, err: dps provisioning need scopeId',
    advice: 'Send the ID scope that the overview page of your DPS instance shows.',
    status: 400,
    retryable: false,
  },
  AZURE_REGISTRATION_ID_MISSING: {
    message: 'invalid input, err: dps mode need registration ID',
    advice: 'Send the registration ID of the enrollment; usually the serial number in lower case.',
    status: 400,
    retryable: false,
  },
  AZURE_TPM_MISSING: {
    message: 'invalid input, err: dps-tpm mode but this device is not support TPM',
    advice: 'Run "tpe-agentctl check" on the gateway to see why its TPM cannot be used.',
    status: 400,
    retryable: false,
  },
  AZURE_REGISTRATION_ID_CHARACTERS: {
    message:
      "invalid input, err: registrationID only support lowercase alphanumeric and dash ('-') characters",
    advice: 'Write the registration ID in lower case, without spaces and signs other than the dash.',
    status: 400,
    retryable: false,
  },
  AZURE_REGISTRATION_ID_LENGTH: {
    message: 'invalid input, err: registrationId len need length < 128',
    advice: 'Use a registration ID of at most 128 characters.',
    status: 400,
    retryable: false,
  },
  AZURE_SCOPE_ID_LENGTH: {
    message: 'invalid input, err: scopeId len need < 128',
    advice: 'Use the ID scope that the overview page of your DPS instance shows, e.g. 0ne00012345.',
    status: 400,
    retryable: false,
  },
  AZURE_ENDPOINT_SCHEME: {
    message: 'invalid input, err: globalEndpoint need start with https://',
    advice: 'Send the endpoint as https://HOST or https://HOST:PORT.',
    status: 400,
    retryable: false,
  },
  AZURE_ENDPOINT_INVALID: {
    message: 'invalid input, err: globalEndpoint need to be https://HOST or https://HOST:PORT',
    advice: 'Leave out user, path and query.',
    status: 400,
    retryable: false,
  },
  AZURE_ENDPOINT_NOT_ALLOWED: {
    message: 'invalid input, err: globalEndpoint host {host} is not an Azure DPS host',
    advice:
      'Use a host under azure-devices-provisioning, or have {host} added to azure.dpsHosts in the settings file of the gateway.',
    status: 400,
    retryable: false,
  },
  AZURE_SOURCE_INVALID: {
    message: 'invalid input, err: source need one of dps or manual',
    advice: 'Send "dps"; this agent provisions through DPS with its TPM.',
    status: 400,
    retryable: false,
  },
  AZURE_METHOD_INVALID: {
    message: 'invalid input, err: method need one of tpm, symmetricKey or x509',
    advice: 'Send "tpm"; this agent proves itself with its TPM.',
    status: 400,
    retryable: false,
  },
  AZURE_NOT_DPS_TPM: {
    message: 'invalid input, err: only source dps with method tpm can be enabled',
    advice: 'Send source "dps" and method "tpm" before or together with enable.',
    status: 400,
    retryable: false,
  },
});
