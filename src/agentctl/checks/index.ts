import { reasonOf } from '../../common/errors/tpe-error';
import { deviceChecks } from './device';
import { networkChecks } from './network';
import { serviceChecks } from './service';
import { stateChecks } from './state';
import { tpmChecks } from './tpm';
import { type Check, type CheckContext, type CheckOutcome, type CheckResult, finding } from './types';

/** Every check, in the order of the report: what others depend on comes first. */
export const allChecks: readonly Check[] = [
  ...stateChecks,
  ...deviceChecks,
  ...tpmChecks,
  ...networkChecks,
  ...serviceChecks,
];

export interface CheckReport extends CheckOutcome {
  readonly id: string;
  readonly title: string;
}

/** A finding that says "nothing can go on" outweighs all others. */
const weight: Readonly<Record<CheckResult, number>> = {
  ok: 0,
  ignored: 0,
  skipped: 0,
  warning: 1,
  failed: 2,
  fatal: 3,
};

/**
 * Runs every check. One that breaks is a failed one: its error must not hide what the others find.
 * @param ignore ids whose findings do not count.
 */
export async function runChecks(context: CheckContext, ignore: ReadonlySet<string>): Promise<CheckReport[]> {
  return Promise.all(
    allChecks.map(async (check) => {
      const { id, title } = check;
      const outcome = await runOne(check, context);
      const left = ignore.has(id) && outcome.result !== 'ok';
      return { id, title, ...outcome, ...(left ? { result: 'ignored' as const } : {}) };
    }),
  );
}

async function runOne(check: Check, context: CheckContext): Promise<CheckOutcome> {
  try {
    return await check.run(context);
  } catch (error) {
    return finding(
      'failed',
      `the check itself broke: ${reasonOf(error)}`,
      'This is a defect; please report it with the output of --json.',
    );
  }
}

/** The worst result of a report. */
export function verdict(report: readonly CheckReport[]): CheckResult {
  return report.reduce<CheckResult>(
    (worst, { result }) => (weight[result] > weight[worst] ? result : worst),
    'ok',
  );
}
