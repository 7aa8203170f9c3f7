import type { X509Certificate } from 'node:crypto';
import type { EnrollmentOptions } from '../dps/enrollment';
import type { EnrollmentOutcome } from '../dps/service';
import type { EnrollmentRequest } from '../dps/enrollment';
import type { Stage } from '../journal/record';
import type { RestStep } from '../settings/job-file';
import type { FactoryIndex } from '../trust/factory-index';
import type { Requirement } from '../trust/requirements';
import type { Credentials } from './login';

/** Makes enrollments, one by one or gathered. */
export interface Enroller {
  ensure(request: EnrollmentRequest, replace: boolean): Promise<EnrollmentOutcome>;
}

/** What a run does to every gateway; secrets included, so never print it. */
export interface Job extends Credentials {
  /** Stage to stop at. */
  readonly until: Exclude<Stage, 'found'>;
  readonly trustOnFirstUse: boolean;
  readonly factory: FactoryIndex;
  /** TPM vendors' certificates; empty: EK certificates are not looked at. */
  readonly ekRoots: readonly X509Certificate[];
  readonly require: readonly Requirement[];
  /** Accept changed keys and overwrite enrollments. */
  readonly replace: boolean;
  /** `undefined` where the run stops before DPS is needed. */
  readonly dps: Enroller | undefined;
  readonly idScope: string;
  readonly globalEndpoint: string;
  readonly registrationIdTemplate: string;
  readonly enrollment: EnrollmentOptions;
  readonly services: { readonly enable: readonly string[]; readonly disable: readonly string[] };
  readonly steps: readonly RestStep[];
  readonly concurrency: number;
  readonly connectTimeoutMs: number;
}
