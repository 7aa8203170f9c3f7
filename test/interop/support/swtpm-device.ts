import { Tpm } from 'tss.js';
import { rawCommand } from '../../support/tpm-wire';

/** tss.js's TPM device on swtpm's command socket; its own device opens /dev/tpm0. */
class SwtpmDevice {
  constructor(private readonly path: string) {}

  /** @returns null for "no error", as tss.js has it. */
  connect(continuation: (error: null) => void): null {
    setImmediate(continuation, null);
    return null;
  }

  dispatchCommand(command: Buffer, continuation: (error: unknown, response?: Buffer) => void): void {
    rawCommand(this.path, command).then(
      (response) => setImmediate(continuation, null, response),
      (error: unknown) => setImmediate(continuation, error),
    );
  }

  close(): void {
    // Every command opens a connection of its own.
  }
}

/** A tss.js TPM on the swtpm with this command socket. */
export function tssTpm(path: string): Tpm {
  const tpm = new Tpm(false);
  Reflect.set(tpm, 'device', new SwtpmDevice(path));
  return tpm;
}
