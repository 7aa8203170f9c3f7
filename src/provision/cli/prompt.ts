import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** Asks at the terminal; what is typed is not shown. `undefined` at the end of the input and at Ctrl-C. */
export function askSecret(question: string): Promise<string | undefined> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: silent, terminal: true, historySize: 0 });
  process.stderr.write(`${question}: `);
  return new Promise((resolve) => {
    reader.once('line', (line) => {
      resolve(line);
      reader.close();
    });
    reader.once('SIGINT', () => {
      reader.close();
      // The terminal is in raw mode while this reads, so the signal has to be made from the key.
      process.kill(process.pid, 'SIGINT');
    });
    reader.once('close', () => {
      process.stderr.write('\n');
      resolve(undefined);
    });
  });
}
