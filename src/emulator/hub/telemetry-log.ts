export interface TelemetryEntry {
  readonly deviceId: string;
  readonly hub: string;
  readonly properties: readonly (readonly string[])[];
  readonly body: string;
}

/** The latest telemetry, for the admin API; older messages were printed and are forgotten. */
export class TelemetryLog {
  readonly #entries: TelemetryEntry[] = [];

  constructor(private readonly limit = 1000) {}

  add(entry: TelemetryEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > this.limit) this.#entries.shift();
  }

  /** Oldest first. */
  list(deviceId?: string): TelemetryEntry[] {
    return this.#entries.filter((entry) => deviceId === undefined || entry.deviceId === deviceId);
  }
}
