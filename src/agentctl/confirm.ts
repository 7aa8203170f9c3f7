import { createInterface } from 'node:readline/promises';
import { TpeError } from '../common/errors/tpe-error';

/** Said instead of the serial number, on a gateway whose number nobody wants to type. */
const WORD = 'reset';

/**
 * Lets a person at a terminal confirm what cannot be undone. On stderr, so that stdout stays the command's result.
 * @throws CONFIRMATION_MISSING without a terminal, CONFIRMATION_REFUSED when something else was typed or nothing.
 */
export async function confirmReset(serialNumber: string): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw new TpeError('CONFIRMATION_MISSING', {});
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(
      `This purges identity, accounts, settings and logs of the gateway ${serialNumber}; it cannot be undone.\n` +
        `Type its serial number, or "${WORD}", to go on: `,
      { signal: whenClosed(terminal) },
    );
    if (answer.trim() === serialNumber || answer.trim() === WORD) return;
  } catch (error) {
    throw new TpeError('CONFIRMATION_REFUSED', {}, { cause: error });
  } finally {
    terminal.close();
  }
  throw new TpeError('CONFIRMATION_REFUSED', {});
}

/** Ctrl-C and Ctrl-D close the terminal without an answer, on which the question would wait for ever. */
function whenClosed(terminal: { once(event: 'close', listener: () => void): unknown }): AbortSignal {
  const controller = new AbortController();
  terminal.once('close', () => controller.abort());
  return controller.signal;
}
