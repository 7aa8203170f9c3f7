/** How the emulated DPS behaves; changed through the admin API. */
export interface DpsSettings {
  /** `Retry-After` of every 202, in seconds. Azure answers 3. */
  retryAfterSeconds: number;
  /** How long an assignment takes at least, in milliseconds. */
  assignmentDelayMs: number;
  /** Registrations a minute of all devices together; Azure's limit is 1,000. 0 means no limit. */
  registrationsPerMinute: number;
}

export const defaultDpsSettings: DpsSettings = {
  retryAfterSeconds: 1,
  assignmentDelayMs: 0,
  registrationsPerMinute: 1000,
};
