import type { EnrollmentOptions } from '../dps/enrollment';
import type { DpsService } from '../dps/service';

/** What a run does to every gateway; secrets included, so never print it. */
export interface Job {
  readonly user: string;
  /** Password that is set now: the factory's, or one that an earlier run set. */
  readonly password: string;
  /** Password to set where the gateway asks for a change; also tried when `password` is refused. */
  readonly newPassword: string | undefined;
  readonly trustOnFirstUse: boolean;
  readonly dps: DpsService;
  readonly idScope: string;
  readonly globalEndpoint: string;
  readonly registrationIdTemplate: string;
  readonly enrollment: EnrollmentOptions;
  readonly replace: boolean;
  readonly services: { readonly enable: readonly string[]; readonly disable: readonly string[] };
  readonly concurrency: number;
  readonly connectTimeoutMs: number;
}
