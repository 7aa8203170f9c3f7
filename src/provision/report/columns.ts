import type { Gateway } from '../device';

/** The columns of Moxa's own tool, in its order. */
export const COLUMNS = [
  'IP',
  'Port',
  'MAC',
  'Model Name',
  'Serial No.',
  'Version',
  'Registration ID',
  'Result',
] as const;

/** The six that discovery fills. */
export function discoveryCells(gateway: Gateway): string[] {
  const { address, port, mac, modelName, serialNumber, firmwareVersion } = gateway;
  return [address, String(port), mac, modelName, serialNumber, firmwareVersion];
}

/** Escapes and cuts what came from the network: a name must not move the cursor of a terminal. */
export function cell(text: string, width = 64): string {
  const clean = Array.from(text, (char) => {
    const point = char.codePointAt(0) ?? 0;
    return point < 0x20 || (point >= 0x7f && point < 0xa0) ? '?' : char;
  }).join('');
  return clean.length > width ? `${clean.slice(0, width - 1)}…` : clean;
}

/** Widths that fit nearly all gateways, so that rows which come later line up with those before. */
export const DISCOVERY_WIDTHS = [15, 5, 12, 18, 14, 0];

/** A table in plain text: header, then rows, columns padded, at least as wide as asked for. */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  least: readonly number[] = [],
): string {
  const clean = [header, ...rows].map((row) => row.map((value) => cell(value)));
  const widths = header.map((_, i) => Math.max(least[i] ?? 0, ...clean.map((row) => row[i]?.length ?? 0)));
  return clean
    .map((row) =>
      row
        .map((value, i) => value.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
