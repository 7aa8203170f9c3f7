import { decodeReturnCode } from '../../../src/agent/tpm/return-code';

test.each([
  [0x1df, 'tpm', 'TPM_RC_INTEGRITY', { kind: 'parameter', number: 1 }, false],
  [0x3df, 'tpm', 'TPM_RC_INTEGRITY', { kind: 'parameter', number: 3 }, false],
  [0x2e5, 'tpm', '0xA5', { kind: 'parameter', number: 2 }, false],
  [0x9a2, 'tpm', 'TPM_RC_BAD_AUTH', { kind: 'session', number: 1 }, false],
  [0x18b, 'tpm', 'TPM_RC_HANDLE', { kind: 'handle', number: 1 }, false],
  [0x101, 'tpm', 'TPM_RC_FAILURE', undefined, false],
  [0x903, 'tpm', 'TPM_RC_SESSION_MEMORY', undefined, true],
  [0x921, 'tpm', 'TPM_RC_LOCKOUT', undefined, true],
  [0x922, 'tpm', 'TPM_RC_RETRY', undefined, true],
  [0xa000a, 'tcti', '0xA', undefined, true],
  [0x90006, 'mu', '0x6', undefined, false],
  [0x70005, 'esys', '0x5', undefined, false],
  [0xc0902, 'resource-manager', 'TPM_RC_OBJECT_MEMORY', undefined, true],
])('%s is taken apart by layer, code and argument', (rc, layer, name, argument, retryable) => {
  const decoded = decodeReturnCode(rc);
  expect(decoded).toMatchObject({ rc, layer, name, retryable });
  expect(decoded.argument).toEqual(argument);
  expect(decoded.hex).toBe(`0x${rc.toString(16).toUpperCase()}`);
});
