import { statusReport } from '../../agent/local/facts';
import { StatusReport } from '../../agent/local/reports';
import { columns, print } from '../output';
import { type Session, ask } from '../session';

function lines(report: StatusReport): string[] {
  const { identity, provisioning, tpm } = report;
  const rows: [string, string][] = [
    ['agent', report.running ? `${report.version}, pid ${report.pid ?? 0}` : 'not running'],
    ['serial number', identity.serialNumber],
    ['model', identity.modelName],
    ['MAC address', identity.mac],
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

export async function status(session: Session): Promise<number> {
  const { value } = await ask(session, StatusReport, 'status', {}, statusReport);
  print(session, value, () => lines(value));
  return 0;
}
