import { agentFacts } from '../../agent/local/facts';
import { AgentFacts } from '../../agent/local/reports';
import { TpeError } from '../../common/errors/tpe-error';
import { version } from '../../common/version';
import { type CheckReport, allChecks, runChecks, verdict } from '../checks/index';
import { thisMachine } from '../machine';
import { print } from '../output';
import { type Session, ask } from '../session';

const marks = {
  ok: '  ok ',
  warning: 'warn ',
  ignored: 'ignd ',
  skipped: 'skip ',
  failed: 'FAIL ',
  fatal: 'FATAL',
};

function lines(report: readonly CheckReport[]): string[] {
  return report.flatMap(({ id, title, result, detail, advice }) => [
    `${marks[result]}  ${title} (${id}): ${detail}`,
    ...(result === 'ok' || advice === undefined ? [] : [`         ${advice}`]),
  ]);
}

/** @returns 0 when nothing failed; warnings alone are no failure. */
export async function check(session: Session, ignore: readonly string[]): Promise<number> {
  const unknown = ignore.find((id) => !allChecks.some((each) => each.id === id));
  if (unknown !== undefined) throw new TpeError('CHECK_UNKNOWN', { id: unknown });
  const { value: facts, running } = await ask(session, AgentFacts, 'check', {}, agentFacts);
  const context = { machine: thisMachine, settings: session.settings, facts, running, version };
  const report = await runChecks(context, new Set(ignore));
  const worst = verdict(report);
  print(session, { verdict: worst, checks: report }, () => [...lines(report), '', `verdict: ${worst}`]);
  return worst === 'failed' || worst === 'fatal' ? 1 : 0;
}
