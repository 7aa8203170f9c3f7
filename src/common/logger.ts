import { type DestinationStream, type Logger, pino } from 'pino';
import { redact } from './redact';

export type { Logger };

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** sd-daemon(3) priorities: journald reads `<N>` at the start of a line. */
function journaldPriority(pinoLevel: number): number {
  if (pinoLevel >= 60) return 2;
  if (pinoLevel >= 50) return 3;
  if (pinoLevel >= 40) return 4;
  if (pinoLevel >= 30) return 6;
  return 7;
}

/**
 * A logger that writes one JSON object a line to stdout, secrets masked; under systemd (JOURNAL_STREAM is set) each
 * line starts with its journald priority.
 */
export function createLogger(
  name: string,
  level: LogLevel = 'info',
  stream: { write(text: string): unknown } = process.stdout,
): Logger {
  const underSystemd = process.env['JOURNAL_STREAM'] !== undefined;
  const destination: DestinationStream = {
    write(line: string) {
      const clean = redact(line);
      if (!underSystemd) {
        stream.write(clean);
        return;
      }
      const pinoLevel = Number(/"level":(\d+)/.exec(line)?.[1] ?? 30);
      stream.write(`<${journaldPriority(pinoLevel)}>${clean}`);
    },
  };
  return pino({ name, level, timestamp: pino.stdTimeFunctions.isoTime, base: { name } }, destination);
}
