import type { Input } from '../../src/agent/connection/fsm';
import { type Effects, Runner } from '../../src/agent/connection/runner';
import { register } from '../../src/agent/provisioning/register';
import { systemClock as clock } from '../../src/common/clock';
import { isTpeError } from '../../src/common/errors/tpe-error';
import { TrustedTime } from '../../src/common/trusted-time';
import { NodeTpm } from './node-tpm';
import { waitFor } from './wait';

export interface StormTarget {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly idScope: string;
}

export interface StormResult {
  /** Start of each registration, seconds after the power came back. */
  readonly registrations: number[];
  /** End of each that DPS answered with 429. */
  readonly throttled: number[];
  /** Seconds after which each gateway had its assignment. */
  readonly assigned: number[];
}

/**
 * State machines of gateways that all get their power back in the same second without an assignment, against a real
 * DPS emulator. The hub leg is left out: it is DPS that has the limit.
 */
export async function runStorm(
  target: StormTarget,
  registrationIds: readonly string[],
  timeoutMs = 120_000,
): Promise<StormResult> {
  const result: StormResult = { registrations: [], throttled: [], assigned: [] };
  const start = clock.monotonic();
  const now = (): number => (clock.monotonic() - start) / 1000;
  const runners = registrationIds.map((registrationId) => {
    const tpm = new NodeTpm();
    const effects: Effects = {
      async register(signal): Promise<Input> {
        result.registrations.push(now());
        try {
          const time = new TrustedTime(clock);
          await register(tpm, { ...target, registrationId, clock, time, signal });
          result.assigned.push(now());
          return { type: 'registered' };
        } catch (error) {
          if (isTpeError(error, 'DPS_THROTTLED')) result.throttled.push(now());
          const seconds = isTpeError(error) ? error.details['retryAfterSec'] : undefined;
          const retryAfterMs = typeof seconds === 'number' ? seconds * 1000 : 0;
          return {
            type: 'registrationFailed',
            retryable: isTpeError(error) && error.retryable,
            retryAfterMs,
          };
        }
      },
      connect: async () => Promise.resolve({ type: 'connected' }),
      drop: () => undefined,
    };
    return new Runner({
      effects,
      clock,
      random: Math.random,
      timePlausible: () => true,
      policy: () => 'dynamic',
      onStep: () => undefined,
    });
  });
  for (const runner of runners) {
    runner.take({ type: 'configured', enabled: true, assigned: false, boot: true });
  }
  try {
    await waitFor('all gateways', () => result.assigned.length === registrationIds.length, timeoutMs);
  } finally {
    for (const runner of runners) runner.stop();
  }
  return result;
}

/** Most events within any one minute. */
export function busiestMinute(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return Math.max(0, ...sorted.map((at, i) => sorted.slice(i).filter((other) => other < at + 60).length));
}

/** A TPM registration asks DPS twice: for the challenge, and with the answer to it. */
const REQUESTS_A_REGISTRATION = 2;

/**
 * Requests that DPS got in the minute before each moment, as an SVG with the limit as a line.
 * @param times start of each registration, seconds
 */
export function drawStorm(times: readonly number[], limitPerMinute: number): string {
  const seconds = Math.max(1, Math.ceil(Math.max(...times)));
  const inLastMinute = Array.from(
    { length: seconds + 1 },
    (_, s) => REQUESTS_A_REGISTRATION * times.filter((at) => at <= s && at > s - 60).length,
  );
  const most = limitPerMinute * 1.15;
  const [left, top, width, height] = [60, 40, 640, 220];
  const x = (second: number): number => left + (second / seconds) * width;
  const y = (count: number): number => top + height - (count / most) * height;
  const line = inLastMinute.map((count, s) => `${x(s).toFixed(1)},${y(count).toFixed(1)}`).join(' ');
  const peak = Math.max(...inLastMinute);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="740" height="310" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="16" y="22" font-size="15">${times.length} gateways register after a power cut: requests in the last minute</text>` +
    `<polyline points="${line}" fill="none" stroke="#4a7fb5" stroke-width="2.5"/>` +
    `<line x1="${left}" x2="${left + width}" y1="${y(limitPerMinute)}" y2="${y(limitPerMinute)}" stroke="#b5483c" stroke-width="2"/>` +
    `<text x="${left + 8}" y="${y(limitPerMinute) - 6}" fill="#b5483c">limit of DPS, ${limitPerMinute} a minute</text>` +
    `<line x1="${left}" x2="${left + width}" y1="${top + height}" y2="${top + height}" stroke="#222"/>` +
    `<text x="${left}" y="${top + height + 20}">0 s</text><text x="${left + width - 30}" y="${top + height + 20}">${seconds} s</text>` +
    `<text x="${left - 8}" y="${y(peak) + 4}" text-anchor="end">${peak}</text></svg>\n`
  );
}
