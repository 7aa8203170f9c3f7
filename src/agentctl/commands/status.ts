import { statusReport } from '../../agent/local/facts';
import { StatusReport } from '../../agent/local/reports';
import { problemOf } from '../../agent/local/facts';
import { columns, print, printError } from '../output';
import { type FilesWithMistake, type Session, ask, askRunning } from '../session';

function lines(report: StatusReport): string[] {
  const { identity, provisioning, tpm } = report;
  const rows: [string, string][] = [
    ['agent', report.running ? `${report.version}, pid ${report.pid ?? 0}` : 'not running'],
    ['serial number', identity.serialNumber],
    ['model', identity.modelName],
    ['MAC address', identity.mac],
    ...(report.settings === undefined
      ? []
      : [['settings', 'of before; the file has a mistake by now'] satisfies [string, string]]),
    ['TPM', tpm.available ? 'answers' : (tpm.problem?.message ?? 'does not answer')],
  ];
  if (provisioning !== undefined) {
    rows.push(['state', `${provisioning.state} since ${provisioning.since}`]);
    rows.push(['registration ID', provisioning.registrationId ?? '-']);
    rows.push(['IoT Hub', provisioning.assignedHub ?? '-']);
    if (provisioning.lastError !== undefined) {
      rows.push(['last error', `${provisioning.lastError.code}: ${provisioning.lastError.message}`]);
      rows.push(['what to do', provisioning.lastError.advice]);
    }
    if (provisioning.nextRetry !== undefined) rows.push(['next try', provisioning.nextRetry]);
  }
  if (report.api !== undefined)
    rows.push(['API', `port ${report.api.port}, key SHA-256 ${report.api.keySha256}`]);
  if (report.discovery !== undefined) {
    rows.push(['discovery', report.discovery.enabled ? `open on UDP ${report.discovery.port}` : 'closed']);
  }
  return columns(rows);
}

/** More than the agent waits for its TPM: an agent that takes longer stands still. */
const ANSWER_TIMEOUT_MS = 8000;

export async function status(session: Session): Promise<number> {
  const { value } = await ask(session, StatusReport, 'status', {}, statusReport, ANSWER_TIMEOUT_MS);
  print(session, value, () => lines(value));
  // A TPM that was not waited for would keep the process until it answers.
  if (value.tpm.problem?.code === 'TPM_TIMEOUT') process.exit(0);
  return 0;
}

/**
 * The report of the agent that runs although the settings file has a mistake by now, with the mistake in it.
 * @throws the mistake, where no agent runs.
 */
export async function statusWithBadSettings(
  { paths, json }: FilesWithMistake,
  mistake: unknown,
): Promise<number> {
  const report = await askRunning(paths, StatusReport, 'status', {}, ANSWER_TIMEOUT_MS);
  if (report === undefined) throw mistake;
  const value = { ...report, settings: problemOf(mistake) };
  print({ json }, value, () => lines(value));
  if (!json) printError({ json }, mistake);
  return 1;
}
