import { open, readFile } from 'node:fs/promises';
import { Value } from '@sinclair/typebox/value';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { AuditRecord } from './audit-record';

/** Which records to show, newest first. */
export interface AuditQuery {
  /** 1–1000. */
  readonly limit: number;
  /** Records to leave out before the first one shown. */
  readonly offset: number;
  readonly user?: string | undefined;
  readonly source?: string | undefined;
  readonly category?: string | undefined;
  readonly result?: string | undefined;
  /** ISO 8601; inclusive. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface AuditPage {
  /** All that match. */
  readonly count: number;
  readonly records: readonly AuditRecord[];
}

/** Parses one line; `undefined` for a line that a power cut tore. */
function decodeRecord(line: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return Value.Check(AuditRecord, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The lines of one file, oldest first; none when it is not there. */
async function readLines(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

/** The newest record of a file that can be read. */
export async function lastRecord(path: string): Promise<AuditRecord | undefined> {
  return (await readLines(path)).map(decodeRecord).findLast((record) => record !== undefined);
}

/** False when the last line of a file of this size has no end. */
export async function endsLine(path: string, size: number): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer.toString() === '\n';
  } finally {
    await handle.close();
  }
}

function matches(record: AuditRecord, query: AuditQuery): boolean {
  const same = (wanted: string | undefined, actual: string): boolean =>
    wanted === undefined || wanted === actual;
  return (
    same(query.user, record.user) &&
    same(query.source, record.source) &&
    same(query.category, record.category) &&
    same(query.result, record.result) &&
    (query.from === undefined || record.at >= query.from) &&
    (query.to === undefined || record.at <= query.to)
  );
}

/** The records of rotated files, newest first. @param paths the files, newest first. */
async function* newestFirst(paths: readonly string[]): AsyncGenerator<AuditRecord, undefined> {
  for (const path of paths) {
    for (const line of (await readLines(path)).reverse()) {
      const record = decodeRecord(line);
      if (record !== undefined) yield record;
    }
  }
}

/** @param sets the files of each trail, newest first; their records are merged by id. */
export async function queryFiles(
  sets: readonly (readonly string[])[],
  query: AuditQuery,
): Promise<AuditPage> {
  const records: AuditRecord[] = [];
  let count = 0;
  const trails = sets.map(newestFirst);
  const heads = await Promise.all(trails.map(async (trail) => (await trail.next()).value));
  for (;;) {
    const ids = heads.map((head) => head?.id ?? 0);
    const newest = ids.indexOf(Math.max(...ids));
    const record = heads[newest];
    if (record === undefined) return { count, records };
    heads[newest] = (await trails[newest]?.next())?.value;
    if (!matches(record, query)) continue;
    if (count >= query.offset && records.length < query.limit) records.push(record);
    count += 1;
  }
}
