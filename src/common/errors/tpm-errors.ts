import { defineErrors } from './define';

/** Errors of the TPM and of everything between it and the agent. `{command}` is TPM 2.0's name of the command. */
export const tpmErrors = defineErrors({
  TPM_ABSENT: {
    message: 'This machine shows no TPM: none of {devices} exists',
    advice:
      'Check that the gateway has a TPM 2.0 and that it is enabled (on some units by the U-Boot variable tpm2=1), or set tpm.tcti.',
    status: 503,
    retryable: false,
  },
  TPM_NOT_PERMITTED: {
    message: 'The TPM at {device} may not be opened by this user',
    advice: 'Add the user to group tss and check the udev rule: the device must be tss:tss 0660.',
    status: 503,
    retryable: false,
  },
  TPM_UNREACHABLE: {
    message: 'The TPM at {tcti} could not be opened ({hex})',
    advice:
      'Check tpm.tcti, that the TCTI library it names is installed, and that nothing else holds the device.',
    status: 503,
    retryable: true,
  },
  TPM_GONE: {
    message: 'The connection to the TPM broke during {command} ({hex})',
    advice: 'It is opened again by itself; if this repeats, check the kernel log for TPM bus errors.',
    status: 503,
    retryable: true,
  },
  TPM_TIMEOUT: {
    message: 'The TPM did not answer {command} in time: {reason}',
    advice:
      'Check the kernel log for TPM bus errors; a TPM that stays silent needs a power cycle of the gateway.',
    status: 504,
    retryable: true,
  },
  TPM_RESPONSE_MALFORMED: {
    message: 'The TPM answered {command} with something that is no TPM response: {reason}',
    advice: 'Check the bus, or the program that stands between the agent and the TPM.',
    status: 502,
    retryable: true,
  },
  TPM_VERSION_UNSUPPORTED: {
    message: 'This is a TPM 1.2: it does not know {command}',
    advice:
      'DPS attestation needs a TPM 2.0: on models that can be both, set the U-Boot variable "tpm2" to 1 and start again.',
    status: 503,
    retryable: false,
  },
  TPM_BUSY: {
    message: 'The TPM was still busy when {command} was given up ({hex})',
    advice: 'Nothing to do: the agent asks again later.',
    status: 503,
    retryable: true,
  },
  TPM_LOCKOUT: {
    message: 'The TPM is in dictionary-attack lockout and refused {command} ({hex})',
    advice:
      'Wait until the lockout ends by itself, or reset it with the lockout authorization: tpm2_dictionarylockout -c.',
    status: 503,
    retryable: true,
  },
  TPM_FAILURE_MODE: {
    message: 'The TPM failed its self-test and refuses {command} ({hex})',
    advice: 'Power-cycle the gateway; if it stays so, the TPM is broken and the gateway must be replaced.',
    status: 503,
    retryable: false,
  },
  TPM_OUT_OF_MEMORY: {
    message: 'The TPM has no room for another object or session in {command} ({hex})',
    advice:
      'Another program leaves objects in the TPM: let it use /dev/tpmrm0, or flush with tpm2_flushcontext -t.',
    status: 503,
    retryable: true,
  },
  TPM_NV_FULL: {
    message: 'The TPM has no room left for a persistent object in {command} ({hex})',
    advice:
      'Remove persistent objects or NV indices that nobody needs, or set tpm.identityKey = "wrapped", which needs none.',
    status: 507,
    retryable: false,
  },
  TPM_OWNER_AUTHORIZATION: {
    message: 'The TPM has an owner authorization and {command} needs it ({hex})',
    advice:
      'Give it to the agent as the systemd credential tpm-owner-auth, or clear it with tpm2_changeauth -c owner; the device keeps its registration.',
    status: 503,
    retryable: false,
  },
  TPM_ENDORSEMENT_AUTHORIZATION: {
    message: 'The TPM has an endorsement authorization and {command} needs it ({hex})',
    advice:
      'Give it to the agent as the systemd credential tpm-endorsement-auth, or clear it with tpm2_changeauth -c endorsement.',
    status: 503,
    retryable: false,
  },
  TPM_EK_UNSUITABLE: {
    message: 'No usable endorsement key: {reason}',
    advice:
      'Move the object at 0x81010001 to another handle (tpm2_evictcontrol): DPS needs an RSA-2048 endorsement key there or none.',
    status: 503,
    retryable: false,
  },
  TPM_EK_CHANGED: {
    message: 'This is not the TPM that the device was registered with: {reason}',
    advice:
      'If the mainboard or TPM was replaced, run "tpe-agentctl factory reset" and enroll the new endorsement key; if not, somebody has tampered with the gateway.',
    status: 503,
    retryable: false,
  },
  TPM_BLOB_INVALID: {
    message: 'The authentication key of DPS is not valid: {reason}',
    advice: 'The agent asks DPS for a new one; if it repeats, check what stands between the device and DPS.',
    status: 502,
    retryable: false,
  },
  TPM_BLOB_REFUSED: {
    message: 'The TPM refused the authentication key of DPS in {command} ({hex})',
    advice:
      'It was made for another endorsement key or for the storage key before a TPM clear: compare the enrollment with "tpe-agentctl ek"; the agent registers again.',
    status: 502,
    retryable: true,
  },
  TPM_CREDENTIAL_REFUSED: {
    message: 'The TPM refused the credential for the attestation key ({command}: {hex})',
    advice: 'Make it for the endorsement key and the attestation key that GET /tpm shows now.',
    status: 400,
    retryable: false,
  },
  TPM_KEY_REFUSED: {
    message: 'The TPM no longer accepts the stored key in {command} ({hex})',
    advice: 'The storage key changed, as TPM2_Clear does: the device registers again by itself.',
    status: 503,
    retryable: false,
  },
  TPM_NO_IDENTITY_KEY: {
    message: 'No hub key is loaded',
    advice: 'The device has to register first.',
    status: 409,
    retryable: false,
  },
  TPM_QUEUE_FULL: {
    message: 'More than {limit} calls wait for the TPM',
    advice: 'Ask again when the TPM has caught up.',
    status: 503,
    retryable: true,
  },
  TPM_CLOSED: {
    message: 'The TPM was closed',
    advice: 'The agent is stopping.',
    status: 503,
    retryable: false,
  },
  TPM_COMMAND_FAILED: {
    message: 'The TPM refused {command}: {hex} ({layer} layer, {code}{place})',
    advice: 'Look the code up in docs/reference/tpm-errors.md or with tpm2_rc_decode {hex}.',
    status: 503,
    retryable: false,
  },
  TPM_ADDON_MISSING: {
    message: 'The TPM addon could not be loaded: {reason}',
    advice:
      'Build it with "npm run build", and install the tpm2-tss libraries (libtss2-esys, libtss2-tctildr).',
    status: 503,
    retryable: false,
  },
});
