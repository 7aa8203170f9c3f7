import { TpeError, toTpeError } from '../../common/errors/tpe-error';
import { type Gateway, nameOf } from '../device';
import { groupBy } from '../group-by';
import type { Book } from '../journal/book';
import { type DeviceRecord, stageReached } from '../journal/record';
import { inParallel } from '../pool';
import type { DeviceResult, Reporter } from '../report/events';
import { registrationIdOf } from '../template';
import { settleConflicts } from '../trust/tls-key';
import { DeviceFlow, resultOf } from './device-flow';
import type { Job } from './job';

/**
 * Registration IDs that two gateways would share: units with the placeholder serial number, or a forged answer.
 * Neither is touched, because which of them is meant cannot be known.
 */
function sharedIds(records: readonly DeviceRecord[], template: string): Map<string, TpeError> {
  const problems = new Map<string, TpeError>();
  const named: { record: DeviceRecord; id: string }[] = [];
  for (const record of records) {
    try {
      named.push({ record, id: registrationIdOf(record.gateway, template) });
    } catch (error) {
      problems.set(record.gateway.deviceId, toTpeError(error));
    }
  }
  for (const [registrationId, sharing] of groupBy(named, ({ id }) => id)) {
    for (const { record } of sharing) {
      // What was collected is proven; a newcomer with the same serial number does not take that away.
      if (stageReached(record.stage, 'collected')) continue;
      const other = sharing.find((candidate) => candidate.record !== record);
      if (other === undefined) continue;
      const details = { registrationId, other: nameOf(other.record.gateway) };
      problems.set(record.gateway.deviceId, new TpeError('PROVISION_REGISTRATION_ID_SHARED', details));
    }
  }
  return problems;
}

async function refuse(book: Book, deviceId: string, error: TpeError): Promise<DeviceRecord> {
  const { code, message, advice, retryable } = error;
  return book.update(deviceId, { failure: { code, message, advice, retryable } });
}

/** Brings what discovery found into the book. Returns the devices that nothing may be done to. */
async function takeIn(job: Job, book: Book, found: readonly Gateway[]): Promise<Set<string>> {
  const { kept, refused } = settleConflicts(
    found,
    (gateway) => job.factory.entryFor(gateway)?.keySha256 ?? book.get(gateway.deviceId)?.pinnedKey,
  );
  await inParallel(kept, kept.length, (gateway) => book.found(gateway));
  const blocked = new Set<string>();
  for (const { gateway, error } of refused) {
    await book.found(gateway);
    await refuse(book, gateway.deviceId, error);
    blocked.add(gateway.deviceId);
  }
  const here = new Set(found.map(({ deviceId }) => deviceId));
  const records = [...book.all()].filter(
    ({ gateway, stage }) => here.has(gateway.deviceId) || stageReached(stage, 'collected'),
  );
  for (const [deviceId, error] of sharedIds(records, job.registrationIdTemplate)) {
    await refuse(book, deviceId, error);
    blocked.add(deviceId);
  }
  return blocked;
}

/**
 * Takes the gateways that were found, and those of the book that are not finished, to the wanted stage,
 * `job.concurrency` at a time.
 * @param only serial numbers to restrict the run to; empty: all.
 */
export async function runJob(
  job: Job,
  book: Book,
  found: readonly Gateway[],
  reporter: Reporter,
  options: { signal?: AbortSignal; only?: readonly string[] } = {},
): Promise<DeviceResult[]> {
  const started = performance.now();
  const blocked = await takeIn(job, book, found);
  const only = new Set(options.only);
  const records = [...book.all()].filter(
    ({ gateway }) => only.size === 0 || only.has(gateway.serialNumber) || only.has(gateway.deviceId),
  );
  const results = await inParallel(records, job.concurrency, async (record) => {
    const { deviceId } = record.gateway;
    if (blocked.has(deviceId) || stageReached(record.stage, job.until) || options.signal?.aborted === true) {
      const interrupted = !blocked.has(deviceId) && !stageReached(record.stage, job.until);
      const now = interrupted
        ? await refuse(
            book,
            deviceId,
            new TpeError('PROVISION_INTERRUPTED', { device: nameOf(record.gateway) }),
          )
        : (book.get(deviceId) ?? record);
      const result = resultOf(now);
      reporter.report({ event: 'device', ...result });
      return result;
    }
    return new DeviceFlow(job, book, record, reporter, options.signal).run();
  });
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
