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

  DPS_ENROLLMENT_NOT_FOUND: {
    message: 'DPS knows no enrollment {registrationId} under ID scope {idScope}: {reason}',
    advice:
      'Check ID scope and registration ID, and create the individual enrollment with the endorsement key of this gateway.',
    status: 502,
    retryable: false,
  },
  DPS_REFUSED: {
    message: 'DPS refused registration {registrationId} with HTTP {httpStatus}, error {errorCode}: {reason}',
    advice:
      'Compare the endorsement key of the enrollment with the one this gateway shows; after a TPM replacement the enrollment needs the new key.',
    status: 502,
    retryable: false,
  },
  DPS_TOKEN_REFUSED: {
    message: 'DPS did not accept the proof of this TPM with HTTP {httpStatus}: {reason}',
    advice: 'Check the clock of this gateway; the attempt is repeated.',
    status: 502,
    retryable: true,
  },
  DPS_THROTTLED: {
    message: 'DPS asks for fewer requests (HTTP 429); it may be asked again in {retryAfterSec} s',
    advice: 'Nothing to do: the attempt is repeated when DPS allows it.',
    status: 502,
    retryable: true,
  },
  DPS_UNAVAILABLE: {
    message: 'DPS answered with HTTP {httpStatus}: {reason}',
    advice: 'Nothing to do: the attempt is repeated. See the Azure status page when it lasts.',
    status: 502,
    retryable: true,
  },
  DPS_ANSWER_INVALID: {
    message: 'The answer of {host} is not one of DPS: {reason}',
    advice: 'Check globalEndpoint; a captive portal or a proxy may answer in place of DPS.',
    status: 502,
    retryable: true,
  },
  DPS_ASSIGNMENT_FAILED: {
    message: 'DPS could not assign a hub to {registrationId}, error {errorCode}: {reason}',
    advice: 'Check the linked hubs, the allocation policy and its webhook in DPS.',
    status: 502,
    retryable: false,
  },
  DPS_ENROLLMENT_DISABLED: {
    message: 'The enrollment {registrationId} is disabled in DPS',
    advice: 'Enable the enrollment in DPS; the gateway tries again by itself.',
    status: 502,
    retryable: false,
  },
  DPS_UNASSIGNED: {
    message: 'DPS ended the registration of {registrationId} without assigning a hub',
    advice: 'Link a hub to the DPS instance and check the allocation policy.',
    status: 502,
    retryable: false,
  },
  DPS_ASSIGNMENT_SLOW: {
    message: 'DPS did not assign a hub within {limitSec} s',
    advice: 'Check the allocation webhook if there is one; the attempt is repeated.',
    status: 504,
    retryable: true,
  },
  DPS_KEY_UNPROVEN: {
    message: 'The device key that DPS sent cannot be used by this TPM: {reason}',
    advice: 'Nothing to do: the key in use stays, and the gateway registers again.',
    status: 502,
    retryable: true,
  },
  CLOCK_NOT_SET: {
    message: 'The clock says {now}, before this agent was built ({built}): tokens would be refused',
    advice: 'Set the time, or let the gateway reach a time server (NTP).',
    status: 503,
    retryable: true,
  },
});
