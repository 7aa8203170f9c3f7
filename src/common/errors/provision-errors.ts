import { defineErrors } from './define';

/** Errors of the provisioning utility. */
export const provisionErrors = defineErrors({
  PROVISION_SETTING_MISSING: {
    message: '{setting} is missing',
    advice: 'Give it as {ways}.',
    retryable: false,
  },
  PROVISION_SETTING_INVALID: {
    message: '{setting} is not valid: {reason}',
    advice:
      'Correct the setting; "tpe-provision help" and docs/reference/tpe-provision.md say what it takes.',
    retryable: false,
  },
  PROVISION_NO_GATEWAY: {
    message: 'No gateway answered within {seconds} s',
    advice:
      'Check cable, VLAN and firewall (UDP {port} both ways), whether discovery is still on, or name the address with --target.',
    retryable: true,
  },
  PROVISION_DISCOVERY_FAILED: {
    message: 'Discovery could not be sent to {target}: {reason}',
    advice: 'Check the address and that this machine has a route to it.',
    retryable: true,
  },
  PROVISION_KEY_UNTRUSTED: {
    message: 'Nothing vouches for the TLS key of {device} ({key})',
    advice:
      'Give the factory record that names its key (--from FILE), or say --trust-on-first-use on a network you trust.',
    retryable: false,
  },
  PROVISION_LOGIN_REFUSED: {
    message: '{device} refused the login of {user}',
    advice:
      'Check user and password (--user, --password-file); no further password was tried, so that the account is not locked.',
    retryable: false,
  },
  PROVISION_ACCOUNT_LOCKED: {
    message: '{device} has banned {user} for a while after too many wrong passwords',
    advice: 'Wait until the lock-out ends (10 minutes by default), then run again with the right password.',
    retryable: true,
  },
  PROVISION_NEW_PASSWORD_NEEDED: {
    message: '{device} wants its initial password changed first',
    advice: 'Give the new password with --new-password-file or TPE_NEW_PASSWORD.',
    retryable: false,
  },
  PROVISION_GATEWAY_REFUSED: {
    message: '{device} answered {status} to {method} {path}: {reason}',
    advice: 'The gateway advises: {hint}.',
    retryable: false,
  },
  PROVISION_GATEWAY_ANSWER: {
    message: '{device} gave an answer to {method} {path} that is not understood: {reason}',
    advice: 'Check that this address is a ThingsPro Edge gateway with a firmware that this version knows.',
    retryable: false,
  },
  PROVISION_SERIAL_MISMATCH: {
    message: '{device} says over TLS that its serial number is {actual}',
    advice:
      'The discovery answer was forged or is old; run the discovery again and check the device on site.',
    retryable: false,
  },
  PROVISION_NO_EK: {
    message: '{device} has no endorsement key',
    advice: 'The gateway has no usable TPM 2.0: run "tpe-agentctl check" on it.',
    retryable: false,
  },
  PROVISION_EK_INVALID: {
    message: 'The endorsement key of {device} is not one that DPS takes: {reason}',
    advice: 'Run "tpe-agentctl ek" on the gateway and compare; an RSA-2048 storage key is needed.',
    retryable: false,
  },
  PROVISION_REGISTRATION_ID_SHARED: {
    message: 'The registration ID {registrationId} is also the one of {other}',
    advice:
      'Both gateways carry the same serial number: use a template with the MAC, e.g. --registration-id "{serial}-{mac}".',
    retryable: false,
  },
  PROVISION_REGISTRATION_ID_INVALID: {
    message: 'The registration ID {registrationId} of {device} is not valid',
    advice: 'Use a template that gives 1 to 128 lower-case letters, digits and dashes.',
    retryable: false,
  },
  PROVISION_ENROLLED_OTHER_EK: {
    message: '{registrationId} is already enrolled with another endorsement key',
    advice:
      'Check whether the TPM or the board was exchanged, or another device uses this ID; then say --replace.',
    retryable: false,
  },
  PROVISION_DPS_UNAUTHORIZED: {
    message: '{service} refused the policy {policy}: {reason}',
    advice:
      'Check policy name and key, that the policy may do this (write enrollments; for a hub: service connect), and the clock of this computer.',
    retryable: false,
  },
  PROVISION_DPS_REFUSED: {
    message: '{service} answered {status} to {method} {path}: {reason}',
    advice: 'Check the service endpoint and the settings.',
    retryable: false,
  },
  PROVISION_DPS_BUSY: {
    message: '{service} still answers {status} after {attempts} attempts',
    advice: 'The service is throttled or down: run again later, what is done stays done.',
    retryable: true,
  },
  PROVISION_NOT_CONNECTED: {
    message: '{device} did not connect to its hub within {seconds} s: {reason}',
    advice:
      'Check the gateway\'s own way to DPS (443) and to the hub (8883), its clock, and "tpe-provision status".',
    retryable: true,
  },
  PROVISION_FACTORY_OTHER_MAC: {
    message: '{device} shows the MAC {mac}; the factory recorded another one for this serial number',
    advice:
      'Look at the box: it is not the one that left the factory under this serial number. When it is a board that was changed, correct the record.',
    retryable: false,
  },
  PROVISION_KEY_CHANGED: {
    message: '{device} presents another TLS key than {source} says (expected {expected}, got {actual})',
    advice:
      'Somebody may stand between you and the gateway, or it was reset: check it on site, then say --replace to believe the new key.',
    retryable: false,
  },
  PROVISION_ANSWERS_CONFLICT: {
    message: 'Several answers claim to be {device}, with different TLS keys',
    advice:
      'One of them is forged: find the sender (wrong address or MAC in the list), or give the factory record that names the key (--from FILE).',
    retryable: false,
  },
  PROVISION_EK_REUSED: {
    message: 'The endorsement key of {device} was already shown by {other}',
    advice:
      "One of the two passes on the other's key: check both on site. Say --replace if it is the same gateway with a new identity.",
    retryable: false,
  },
  PROVISION_EK_CHANGED: {
    message: '{device} shows another endorsement key than {source} says',
    advice:
      'The TPM or the board was exchanged, or somebody answers for the gateway: check it, then say --replace.',
    retryable: false,
  },
  PROVISION_EK_CERTIFICATE_INVALID: {
    message: 'The endorsement key certificate of {device} is not trusted: {reason}',
    advice: "Check the gateway and the folder with the TPM vendors' root certificates (--ek-roots).",
    retryable: false,
  },
  PROVISION_EK_CERTIFICATE_MISSING: {
    message: '{device} shows no endorsement key certificate',
    advice: 'Leave out --require ekCertificate where the TPMs carry none, or give a factory record.',
    retryable: false,
  },
  PROVISION_PROOF_FAILED: {
    message: '{device} could not prove that it holds its endorsement key: {reason}',
    advice: 'Do not enroll it: the key belongs to another TPM, or somebody stands in between.',
    retryable: false,
  },
  PROVISION_PROOF_UNSUPPORTED: {
    message: '{device} offers no proof of possession of its endorsement key',
    advice: 'Update its firmware, or leave out --require.',
    retryable: false,
  },
  PROVISION_LOGIN_PAUSED: {
    message: '{device} refused {count} logins in the last 15 minutes; no further one is tried',
    advice:
      'Correct the password and run again in a quarter of an hour, before the gateway locks the account.',
    retryable: true,
  },
  PROVISION_INTERRUPTED: {
    message: '{device} was interrupted',
    advice: 'Run the same command again: it goes on where it stopped.',
    retryable: true,
  },
  PROVISION_JOURNAL_IN_USE: {
    message: 'The journal {path} is in use by process {pid}',
    advice: 'Wait until the other run has ended, or give this one a journal of its own.',
    retryable: true,
  },
  PROVISION_JOURNAL_DAMAGED: {
    message: 'The journal {path} is damaged in line {line}: {reason}',
    advice:
      'Remove the damaged line if you know what it was, or start a new journal; gateways that are done are recognised.',
    retryable: false,
  },
  PROVISION_JOURNAL_NOT_WRITTEN: {
    message: 'The journal {path} could not be written: {reason}',
    advice: 'Make room on the disk and run again: what is in the journal is not done twice.',
    retryable: false,
  },
  PROVISION_VAULT_UNREADABLE: {
    message: 'The password vault {path} could not be opened: {reason}',
    advice:
      'Check the passphrase (--vault-key-file, TPE_VAULT_KEY); a damaged vault comes back from a backup only.',
    retryable: false,
  },
});
