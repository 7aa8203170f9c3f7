import { DISCOVERY_PORT } from '../../protocol/discovery';
import { TpeError } from '../../common/errors/tpe-error';
import type { Gateway } from '../device';
import { Scan } from '../discovery/scan';
import { broadcastTargets, parseTarget } from '../discovery/targets';
import type { JobFile } from '../settings/job-file';
import type { Flags } from './flags';

export const DEFAULT_SECONDS = 3;

/** Discovers with the settings of flags and job file. */
export async function discover(
  flags: Flags,
  job: JobFile,
  options: {
    onFound?: (gateway: Gateway) => void;
    onWarning?: (message: string) => void;
    signal?: AbortSignal;
  },
): Promise<Gateway[]> {
  const port = flags.port ?? job.discovery?.port ?? DISCOVERY_PORT;
  const seconds = flags.seconds ?? job.discovery?.seconds ?? DEFAULT_SECONDS;
  const named = flags.target ?? job.discovery?.targets;
  const targets =
    named === undefined ? broadcastTargets(port) : named.flatMap((text) => parseTarget(text, port));
  const scan = new Scan({
    targets,
    durationMs: seconds * 1000,
    onProblem: (target, reason) =>
      options.onWarning?.(
        new TpeError('PROVISION_DISCOVERY_FAILED', { target: target.address, reason }).message,
      ),
    ...(options.onFound === undefined ? {} : { onFound: options.onFound }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const gateways = await scan.run();
  if (scan.dropped > 0) {
    options.onWarning?.(
      `${scan.dropped} answers were dropped: more gateways than one address can have, so somebody floods this scan`,
    );
  }
  return gateways;
}

/** The error for a discovery that found nothing. */
export function noGateway(flags: Flags, job: JobFile): TpeError {
  return new TpeError('PROVISION_NO_GATEWAY', {
    seconds: flags.seconds ?? job.discovery?.seconds ?? DEFAULT_SECONDS,
    port: flags.port ?? job.discovery?.port ?? DISCOVERY_PORT,
  });
}

/**
 * A name that fits nothing is a slip: with it left out, a run would do less than was asked and call it a success.
 * @throws PROVISION_SETTING_INVALID
 */
export function checkOnly(only: readonly string[] | undefined, known: readonly Gateway[]): void {
  const names = new Set(known.flatMap(({ serialNumber, deviceId }) => [serialNumber, deviceId]));
  const missing = (only ?? []).filter((name) => !names.has(name));
  if (missing.length === 0) return;
  throw new TpeError('PROVISION_SETTING_INVALID', {
    setting: `--only ${missing.join(' ')}`,
    reason: 'no such gateway was found, nor is it in the journal',
  });
}
