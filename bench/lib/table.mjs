// The results as a table for a terminal.
import { holds, round, spreadOf } from './figure.mjs';

const verdict = (figure) => ({ true: 'holds', false: 'MISSES' })[String(holds(figure))] ?? '';

/** @param {Record<string, object>} figures by name */
export function table(figures) {
  const rows = [
    ['figure', 'value', 'unit', 'peer', 'ratio', 'from–to', 'rounds', 'bar', ''],
    ...Object.entries(figures).map(([name, figure]) => [
      name,
      round(figure.value),
      figure.unit,
      `${figure.limit ? '≤ ' : ''}${round(figure.peer)}`,
      round(figure.ratio),
      figure.ratio === null ? spreadOf(figure, 'value') : spreadOf(figure),
      figure.rounds === undefined ? '' : String(figure.rounds),
      figure.bar === undefined ? '' : `≤ ${round(figure.bar)}`,
      verdict(figure),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}
