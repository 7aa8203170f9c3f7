import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Swtpm } from './swtpm';

/** A pseudo-terminal that poses as a TPM device in front of swtpm; unlike the swtpm TCTI its TCTI keeps deadlines. */
export interface TpmDevice {
  /** E.g. `device:/dev/pts/7`. */
  readonly tcti: string;
  /** Swallows every command from now on. */
  silence(): Promise<void>;
  /** Answers again. */
  answer(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the device; needs python3. */
export async function startTpmDevice(swtpm: Swtpm): Promise<TpmDevice> {
  const child = spawn('python3', [join(__dirname, 'pty_tpm.py'), swtpm.socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done === true)
      throw new Error('the pseudo-terminal in front of swtpm ended; is python3 installed?');
    return line.value;
  };
  const say = async (word: string): Promise<void> => {
    child.stdin.write(`${word}\n`);
    if ((await nextLine()) !== word) throw new Error(`the pseudo-terminal did not confirm ${word}`);
  };
  const path = await nextLine();
  return {
    tcti: `device:${path}`,
    silence: async () => await say('silent'),
    answer: async () => await say('answer'),
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
