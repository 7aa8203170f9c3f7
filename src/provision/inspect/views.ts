import type { ProvisioningStatus } from '../../protocol/api-types';
import type { Gateway } from '../device';
import type { Enrollment } from '../dps/enrollment';
import type { HubDevice } from '../hub/hub-service';
import type { Failure } from '../report/events';

/** What a gateway says about itself. */
export interface DeviceView {
  readonly status: ProvisioningStatus;
  readonly registrationId: string;
  readonly idScope: string;
  readonly enabled: boolean;
  readonly endorsementKey: string;
}

/** What the cloud says; a member that is absent was not asked. */
export interface CloudView {
  readonly registrationId?: string;
  /** `null`: there is no enrollment. */
  readonly enrollment?: Enrollment | null;
  readonly hubName?: string;
  /** `null`: the hub does not know the device. */
  readonly hub?: HubDevice | null;
}

/** What device, DPS and hub say about one gateway, side by side. */
export interface Inspection extends CloudView {
  readonly gateway: Gateway;
  /** Absent where the gateway could not be asked. */
  readonly device?: DeviceView;
  /** Why somebody could not be asked. */
  readonly failure?: Failure;
  /** Sentences, one for each thing that does not fit. */
  readonly disagreements: readonly string[];
}
