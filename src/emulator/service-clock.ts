import { type Clock, systemClock } from '../common/clock';

/** The service's clock: tests shift it to see what devices do about expired and future tokens. */
export class ServiceClock {
  /** Milliseconds added to the machine's clock. */
  offsetMs = 0;

  constructor(private readonly clock: Clock = systemClock) {}

  /** Milliseconds since 1970. */
  now(): number {
    return this.clock.now() + this.offsetMs;
  }

  /** Seconds since 1970, as tokens count. */
  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  /** ISO 8601, as the services write it. */
  iso(): string {
    return new Date(this.now()).toISOString();
  }
}
