import { toTpeError, TpeError } from '../../common/errors/tpe-error';
import { type Gateway, nameOf } from '../device';
import type { DeviceResult, Reporter } from '../report/events';
import { registrationIdOf } from '../template';
import { DeviceFlow } from './device-flow';
import type { Job } from './job';

function failed(gateway: Gateway, registrationId: string, error: unknown): DeviceResult {
  const { code, message, advice, retryable } = toTpeError(error);
  return {
    gateway,
    registrationId,
    endorsementKey: '',
    result: 'failed',
    lastStep: undefined,
    failure: { code, message, advice, retryable },
    durationMs: 0,
  };
}

/**
 * Registration IDs that two gateways would share: units with the placeholder serial number, or a forged answer.
 * Neither is touched, because which of them is meant cannot be known.
 */
function sharedIds(gateways: readonly Gateway[], template: string): Map<Gateway, TpeError> {
  const byId = new Map<string, Gateway[]>();
  const problems = new Map<Gateway, TpeError>();
  for (const gateway of gateways) {
    try {
      const id = registrationIdOf(gateway, template);
      byId.set(id, [...(byId.get(id) ?? []), gateway]);
    } catch (error) {
      problems.set(gateway, toTpeError(error));
    }
  }
  for (const [registrationId, sharing] of byId) {
    for (const gateway of sharing) {
      const other = sharing.find((candidate) => candidate !== gateway);
      if (other === undefined) continue;
      problems.set(
        gateway,
        new TpeError('PROVISION_REGISTRATION_ID_SHARED', { registrationId, other: nameOf(other) }),
      );
    }
  }
  return problems;
}

/** Takes all gateways through the flow, `job.concurrency` at a time. */
export async function runJob(
  job: Job,
  gateways: readonly Gateway[],
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<DeviceResult[]> {
  const started = performance.now();
  const problems = sharedIds(gateways, job.registrationIdTemplate);
  const results: DeviceResult[] = [];
  const queue = gateways.values();
  const worker = async (): Promise<void> => {
    for (const gateway of queue) {
      const problem = problems.get(gateway);
      if (problem === undefined) {
        results.push(await new DeviceFlow(job, gateway, reporter, signal).run());
        continue;
      }
      const result = failed(gateway, '', problem);
      reporter.report({ event: 'device', ...result });
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(job.concurrency, gateways.length) }, worker));
  const done = results.filter((result) => result.result === 'done').length;
  reporter.report({
    event: 'summary',
    total: results.length,
    done,
    failed: results.length - done,
    durationMs: Math.round(performance.now() - started),
  });
  return results;
}
