import { TpeError, reasonOf, toTpeError } from '../../common/errors/tpe-error';
import type { Tpm, WrappedKey } from '../tpm/types';
import type { AssignedState } from './dps-answers';
import { DpsTransport, type DpsTransportOptions } from './dps-transport';
import { RegistrationSecurityClient } from './tpm-security-client';

export type RegisterOptions = Omit<DpsTransportOptions, 'sign'>;

/** What a registration gives: where to connect, as whom, and with which key. */
export interface Registration {
  readonly hub: string;
  readonly deviceId: string;
  /** Wrapped by this TPM and proven with one HMAC; not yet in use. */
  readonly key: WrappedKey;
  /** `initialAssignment`, `deviceDataMigrated`, `deviceDataReset` or `reprovisionedToInitialAssignment`. */
  readonly substatus?: string;
  /** What a custom allocation policy sent back. */
  readonly payload?: unknown;
}

const PROOF = Buffer.from('proof that the imported key signs');

/**
 * Registers with DPS: challenge, activation, proof, polling, hub key. The key in use is not touched.
 * @throws HTTP_*, DPS_*, TPM_*; `details.retryAfterSec` when DPS named a wait.
 */
export async function register(tpm: Tpm, options: RegisterOptions): Promise<Registration> {
  const { ProvisioningDeviceClient } = await import('azure-iot-provisioning-device');
  const security = new RegistrationSecurityClient(tpm, options.registrationId);
  const transport = new DpsTransport({ ...options, sign: async (data) => security.sign(data) });
  const client = ProvisioningDeviceClient.create(options.host, options.idScope, transport, security);
  if (options.payload !== undefined) client.setProvisioningPayload(options.payload);

  // The SDK's TPM result is the whole last answer, not its registrationState.
  let result: { registrationState?: AssignedState };
  try {
    result = (await client.register()) as typeof result;
  } catch (error) {
    throw toTpeError(error);
  }
  const { registrationState: state } = result;
  const key = security.hubKey;
  if (state === undefined || key === undefined) {
    throw new TpeError('DPS_ANSWER_INVALID', {
      host: options.host,
      reason: 'the registration has no result',
    });
  }
  await tpm.signWith(key, PROOF).catch((error: unknown) => {
    throw new TpeError('DPS_KEY_UNPROVEN', { reason: reasonOf(error) }, { cause: error });
  });
  return {
    hub: state.assignedHub,
    deviceId: state.deviceId,
    key,
    ...(state.substatus === undefined ? {} : { substatus: state.substatus }),
    ...(state.payload === undefined ? {} : { payload: state.payload }),
  };
}
