import { toTpeError } from '../common/errors/tpe-error';

export interface OutputOptions {
  readonly json: boolean;
}

/** One JSON object, or the lines for a person. */
export function print(options: OutputOptions, value: unknown, lines: () => readonly string[]): void {
  process.stdout.write(options.json ? `${JSON.stringify(value)}\n` : `${lines().join('\n')}\n`);
}

/** Names padded to one column, values behind them. */
export function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

export function printError(options: OutputOptions, error: unknown): void {
  const failure = toTpeError(error);
  process.stderr.write(
    options.json
      ? `${JSON.stringify({ error: failure.toJSON() })}\n`
      : `error ${failure.code}: ${failure.message}\n  what to do: ${failure.advice}\n`,
  );
}
