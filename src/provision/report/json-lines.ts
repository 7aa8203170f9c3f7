import type { Reporter } from './events';

/** One JSON object a line, for machines. */
export function jsonReporter(out: { write(text: string): unknown }): Reporter {
  return {
    report: (event) => void out.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`),
    end: () => undefined,
  };
}
