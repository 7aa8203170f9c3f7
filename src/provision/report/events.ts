import type { ErrorCode } from '../../common/errors/registry';
import type { Gateway } from '../device';
import type { Evidence, Stage } from '../journal/record';

/** The steps of the flow, in the order in which they happen. */
export const STEPS = [
  'login',
  'endorsementKey',
  'password',
  'identity',
  'enrollment',
  'clock',
  'writeBack',
  'services',
  'steps',
  'enable',
  'connect',
] as const;
export type Step = (typeof STEPS)[number];

/** What went wrong, ready to show. */
export interface Failure {
  /** Of the error registry; a journal may hold one of another version. */
  readonly code: ErrorCode | (string & {});
  readonly message: string;
  readonly advice: string;
  readonly retryable: boolean;
}

/** What an integrator gets told about one device at the end. */
export interface DeviceResult {
  readonly gateway: Gateway;
  readonly registrationId: string;
  readonly endorsementKey: string;
  readonly result: 'done' | 'failed';
  /** How far it has come in this and all earlier runs. */
  readonly stage: Stage;
  /** The last step that was completed in this run. */
  readonly lastStep: Step | undefined;
  /** What speaks for the endorsement key. */
  readonly evidence?: Evidence;
  readonly assignedHub?: string;
  readonly failure?: Failure;
  readonly durationMs: number;
}

/** What the report is about, beside the gateways. */
export interface ReportHeader {
  readonly startedAt: string;
  readonly endedAt: string;
  readonly idScope: string;
  readonly until: string;
}

/** Everything that a run has to say. With `--json` each is one line, with `time` (ISO 8601) added. */
export type RunEvent =
  | { readonly event: 'discovered'; readonly gateway: Gateway }
  | { readonly event: 'warning'; readonly message: string }
  | {
      readonly event: 'step';
      readonly deviceId: string;
      readonly serialNumber: string;
      readonly step: Step;
      readonly status: 'started' | 'done';
      /** What the step did, in a few words. */
      readonly detail?: string;
      readonly durationMs?: number;
    }
  | ({ readonly event: 'device' } & DeviceResult)
  | {
      readonly event: 'summary';
      readonly total: number;
      readonly done: number;
      readonly failed: number;
      readonly durationMs: number;
    };

/** Takes the events of a run. */
export interface Reporter {
  report(event: RunEvent): void;
  /** Ends the output: a live table is drawn for the last time. */
  end(): void;
}
