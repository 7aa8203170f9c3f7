import { withDeadline } from '../../common/deadline';
import { TpeError } from '../../common/errors/tpe-error';
import type { Tpm } from './types';

/** A little more than an open TPM takes to close at the most. */
const CLOSE_PATIENCE_MS = 2500;

/**
 * A TPM that is opened when it is first needed, and tried again at the next call when that failed: a gateway whose
 * TPM driver loads late, or whose permissions are mended, must not need a restart of the agent.
 */
export function lateTpm<T extends Tpm>(open: () => Promise<T>): T {
  let opening: Promise<T> | undefined;
  let closed = false;

  const opened = (): Promise<T> => {
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };

  const close = async (): Promise<void> => {
    closed = true;
    // A TPM that could not be opened leaves nothing to close; whoever needed it was told why.
    const closing = opening?.then(
      async (tpm) => tpm.close(),
      () => undefined,
    );
    // One that stays silent while it is opened is closed when it answers after all.
    if (closing !== undefined) await withDeadline(closing, CLOSE_PATIENCE_MS, () => undefined);
  };

  return new Proxy({} as T, {
    get(_target, name) {
      if (name === 'close') return close;
      // Not a thenable: awaiting the façade itself must not open the TPM.
      if (typeof name === 'symbol' || name === 'then') return undefined;
      return async (...args: unknown[]): Promise<unknown> => {
        if (closed) throw new TpeError('TPM_CLOSED');
        const tpm = await opened();
        const verb: unknown = Reflect.get(tpm, name);
        if (typeof verb !== 'function') throw new TypeError(`the TPM has no verb ${name}`);
        return (await Reflect.apply(verb, tpm, args)) as unknown;
      };
    },
  });
}
