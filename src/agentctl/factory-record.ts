import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FactoryRecord } from '../agent/local/factory-init';
import { TpeError, codeOf, reasonOf } from '../common/errors/tpe-error';
import { writeFileAtomic } from '../common/fs/atomic-write';
import { labelSvg } from './label';

/** Columns of the production line's list, in order; docs/guides/factory.md explains them. */
export const RECORD_COLUMNS = [
  'serialNumber',
  'mac',
  'modelName',
  'firmwareVersion',
  'registrationId',
  'endorsementKey',
  'ekName',
  'ekCertificate',
  'keySha256',
  'initialPassword',
  'initializedAt',
] as const satisfies readonly (keyof FactoryRecord)[];

const CSV_FILE = 'factory.csv';

/** Serial numbers come from a bootloader: only what cannot leave the folder goes into a file name. */
export function recordName(serialNumber: string, ending = 'json'): string {
  return `${serialNumber.replace(/[^A-Za-z0-9-]/g, '_')}.${ending}`;
}

/** RFC 4180. */
function csvRow(cells: readonly string[]): string {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\r\n`;
}

/** The cells of a row that {@link csvRow} made. */
function cellsOf(row: string): string[] {
  return [...row.matchAll(/(?<=^|,)(?:"((?:[^"]|"")*)"|([^,]*))(?=,|$)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

/**
 * The list with this device's row in it. A second run for the same device replaces its row; the password of the row
 * stays when the run that made it was the last one that made a password, and nobody told this one what it was.
 */
export function withRow(csv: string, record: FactoryRecord): string {
  const header = csvRow(RECORD_COLUMNS);
  const key = `${csvRow([record.serialNumber, record.mac]).trimEnd()},`;
  const rows = csv.split('\r\n').filter((row) => row !== '' && row !== header.trimEnd());
  const others = rows.filter((row) => !row.startsWith(key));
  const before = cellsOf(rows.find((row) => row.startsWith(key)) ?? '');
  const of = (name: (typeof RECORD_COLUMNS)[number]): string => before[RECORD_COLUMNS.indexOf(name)] ?? '';
  const known = of('initializedAt') === record.initializedAt ? of('initialPassword') : '';
  const kept = { ...record, initialPassword: record.initialPassword === '' ? known : record.initialPassword };
  return `${header}${others.map((row) => `${row}\r\n`).join('')}${csvRow(RECORD_COLUMNS.map((name) => kept[name]))}`;
}

async function readCsv(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

/**
 * Writes record, row of the list, and label into the folder; readable by their owner only, because they hold the
 * initial password.
 * @returns the files.
 */
export async function writeRecord(folder: string, record: FactoryRecord): Promise<string[]> {
  const json = join(folder, recordName(record.serialNumber));
  const svg = join(folder, recordName(record.serialNumber, 'svg'));
  const csv = join(folder, CSV_FILE);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileAtomic(json, `${JSON.stringify(record, undefined, 2)}\n`);
  await writeFileAtomic(csv, withRow(await readCsv(csv), record));
  await writeFileAtomic(svg, await labelSvg(record));
  return [json, csv, svg];
}
