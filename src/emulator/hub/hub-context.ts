import type { Packet } from 'mqtt-packet';
import type { Logger } from '../../common/logger';
import type { Counters } from '../admin/counters';
import type { Faults } from '../faults/faults';
import type { ServiceClock } from '../service-clock';
import type { Hub } from './hub';
import type { TelemetryLog } from './telemetry-log';

/** A connection as its session sees it. */
export interface PacketSender {
  send(packet: Packet): void;
  /** Drops the connection. */
  close(reason: string): void;
}

/** A connection as the emulator manages it. */
export interface ManagedConnection extends PacketSender {
  /** The service's clock was set: its token may have expired by it. */
  clockMoved(): void;
}

/** What every connection shares. */
export interface HubContext {
  /** By host name in lower case. */
  readonly hubs: ReadonlyMap<string, Hub>;
  readonly clock: ServiceClock;
  readonly faults: Faults;
  readonly counters: Counters;
  readonly telemetry: TelemetryLog;
  readonly logger: Logger;
  readonly connections: Set<ManagedConnection>;
}

/** Sets the services' clock; connections whose token expired by it end. */
export function setClock({ clock, connections }: HubContext, offsetMs: number): void {
  clock.offsetMs = offsetMs;
  for (const connection of [...connections]) connection.clockMoved();
}
