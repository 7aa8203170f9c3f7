import { freemem, loadavg, totalmem, uptime } from 'node:os';

/** Body of the health message. Sizes in bytes, times in seconds. */
export interface Health {
  readonly uptimeSec: number;
  readonly agentUptimeSec: number;
  readonly load1: number;
  readonly memoryTotal: number;
  readonly memoryFree: number;
  readonly agentMemory: number;
}

export function readHealth(): Health {
  return {
    uptimeSec: Math.round(uptime()),
    agentUptimeSec: Math.round(process.uptime()),
    load1: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    memoryTotal: totalmem(),
    memoryFree: freemem(),
    agentMemory: process.memoryUsage.rss(),
  };
}
