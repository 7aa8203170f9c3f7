import { type EmulatorAddresses } from './emulator';
import { enroll, registerSoftly } from './azure-client';
import { type SoftTpm, newSoftTpm } from './soft-tpm';

/** Making RSA keys is slow, and most tests do not care whose they are. */
let shared: SoftTpm | undefined;

/** A device that DPS assigned: what it needs to connect. */
export interface EnrolledDevice {
  readonly hub: string;
  readonly deviceId: string;
  readonly key: Buffer;
}

/** Enrolls and registers a device. */
export async function enrolledDevice(
  emulator: EmulatorAddresses,
  registrationId: string,
  enrollment: object = {},
): Promise<EnrolledDevice> {
  shared ??= newSoftTpm();
  await enroll(emulator, registrationId, shared, enrollment);
  return registerAgain(emulator, registrationId);
}

/** Registers a device that {@link enrolledDevice} enrolled once more. */
export async function registerAgain(
  emulator: EmulatorAddresses,
  registrationId: string,
): Promise<EnrolledDevice> {
  shared ??= newSoftTpm();
  const { state, hubKey } = await registerSoftly(emulator, registrationId, shared);
  if (hubKey === undefined) throw new Error(`not assigned: ${JSON.stringify(state)}`);
  return { hub: state.assignedHub, deviceId: state.deviceId, key: hubKey };
}
