import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { EmulatorAddresses } from '../../test/support/emulator';

/** The addresses of an emulator from the line that it printed when it was ready and its state folder. */
export function addressesOf(line: string): EmulatorAddresses {
  const { state, ...ready } = JSON.parse(line) as EmulatorAddresses['ready'] & { state: string };
  const portOf = (url: string): number => Number(url.slice(url.lastIndexOf(':') + 1));
  return {
    ready,
    ca: readFileSync(ready.ca, 'utf8'),
    dpsPort: portOf(ready.dps),
    servicePort: portOf(ready.service),
    hubPort: portOf(ready.hub),
    stateFolder: state,
    adminToken: readFileSync(join(state, 'admin-token'), 'utf8').trim(),
  };
}

/** Says that it is ready, then answers each line of the input with what `measure` gives, as JSON; ends with the input. */
export async function onDemand(measure: (line: string) => Promise<unknown>): Promise<void> {
  process.stdout.write('ready\n');
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await measure(line))}\n`);
  }
}
