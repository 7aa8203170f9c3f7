import { TpeError } from '../common/errors/tpe-error';

/** Splits CSV text (RFC 4180: quotes doubled inside quotes, CRLF or LF) into rows of cells. */
function parseRows(text: string, what: string): { line: number; cells: string[] }[] {
  const rows: { line: number; cells: string[] }[] = [];
  let cells: string[] = [];
  let value = '';
  let quoted = false;
  let line = 1;
  let startedAt = 1;
  const endRow = (): void => {
    cells.push(value);
    if (cells.length > 1 || cells[0]?.trim() !== '') rows.push({ line: startedAt, cells });
    cells = [];
    value = '';
  };
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] ?? '';
    if (char === '\n') line += 1;
    if (quoted) {
      if (char !== '"') value += char;
      else if (text[i + 1] === '"') {
        value += '"';
        i += 1;
      } else quoted = false;
    } else if (char === '"' && value === '') quoted = true;
    else if (char === ',') {
      cells.push(value);
      value = '';
    } else if (char === '\n') {
      endRow();
      startedAt = line;
    } else if (char !== '\r') value += char;
  }
  if (quoted)
    throw new TpeError('VALUE_INVALID', {
      what,
      place: `line ${startedAt}`,
      reason: 'a quote is not closed',
    });
  endRow();
  return rows;
}

/** Reads CSV with a header line into one object a row, with the line each came from. */
export function parseCsv(text: string, what: string): { line: number; values: Record<string, string> }[] {
  const [header, ...rows] = parseRows(text.replace(/^\uFEFF/, ''), what);
  if (header === undefined) return [];
  const names = header.cells.map((name) => name.trim());
  return rows.map(({ line, cells }) => {
    if (cells.length !== names.length) {
      const reason = `it has ${cells.length} cells, the header has ${names.length}`;
      throw new TpeError('VALUE_INVALID', { what, place: `line ${line}`, reason });
    }
    return { line, values: Object.fromEntries(names.map((name, i) => [name, (cells[i] ?? '').trim()])) };
  });
}

/** Text that a spreadsheet would run as a formula is quoted with an apostrophe, because it may come from a network. */
export function toCsv(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const quote = (text: string): string => {
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [header, ...rows].map((row) => `${row.map(quote).join(',')}\r\n`).join('');
}
