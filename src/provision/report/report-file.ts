import { extname } from 'node:path';
import { TpeError } from '../../common/errors/tpe-error';
import { writeFileAtomic } from '../../common/fs/atomic-write';
import { version } from '../../common/version';
import { toCsv } from '../csv';
import type { DeviceResult, ReportHeader } from './events';
import { htmlReport } from './html-report';

const CSV_COLUMNS: readonly [string, (result: DeviceResult) => string][] = [
  ['serialNumber', ({ gateway }) => gateway.serialNumber],
  ['mac', ({ gateway }) => gateway.mac],
  ['modelName', ({ gateway }) => gateway.modelName],
  ['firmwareVersion', ({ gateway }) => gateway.firmwareVersion],
  ['address', ({ gateway }) => gateway.address],
  ['port', ({ gateway }) => String(gateway.port)],
  ['registrationId', ({ registrationId }) => registrationId],
  ['result', ({ result }) => result],
  ['stage', ({ stage }) => stage],
  ['assignedHub', ({ assignedHub }) => assignedHub ?? ''],
  ['evidence', ({ evidence }) => evidence ?? ''],
  ['seconds', ({ durationMs }) => (durationMs / 1000).toFixed(1)],
  ['errorCode', ({ failure }) => failure?.code ?? ''],
  ['error', ({ failure }) => failure?.message ?? ''],
  ['advice', ({ failure }) => failure?.advice ?? ''],
  ['endorsementKey', ({ endorsementKey }) => endorsementKey],
];

const WRITERS: Readonly<Record<string, (header: ReportHeader, results: readonly DeviceResult[]) => string>> =
  {
    '.csv': (_header, results) =>
      toCsv(
        CSV_COLUMNS.map(([name]) => name),
        results.map((result) => CSV_COLUMNS.map(([, value]) => value(result))),
      ),
    '.json': (header, results) =>
      `${JSON.stringify({ program: `tpe-provision ${version}`, ...header, results }, null, 2)}\n`,
    '.html': htmlReport,
  };

/** @throws PROVISION_SETTING_INVALID for another ending than .csv, .json or .html. */
export function checkReportPath(path: string): void {
  if (WRITERS[extname(path).toLowerCase()] === undefined) {
    throw new TpeError('PROVISION_SETTING_INVALID', {
      setting: `report "${path}"`,
      reason: 'the name has to end with .csv, .json or .html',
    });
  }
}

/**
 * Writes a report in the format that its name asks for; failed gateways first.
 * @throws FILE_WRITE_FAILED
 */
export async function writeReport(
  path: string,
  header: ReportHeader,
  results: readonly DeviceResult[],
): Promise<void> {
  checkReportPath(path);
  const ordered = [...results].sort(
    (a, b) =>
      Number(a.result === 'done') - Number(b.result === 'done') ||
      a.gateway.serialNumber.localeCompare(b.gateway.serialNumber),
  );
  const text = WRITERS[extname(path).toLowerCase()]?.(header, ordered) ?? '';
  // No secrets in it, and it is made to be handed on.
  await writeFileAtomic(path, text, 0o644);
}
