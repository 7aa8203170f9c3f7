import { readUbootEnvironment } from '../../agent/device/identity-sources';
import { writeFileAtomic } from '../../common/fs/atomic-write';
import { print } from '../output';

/** What U-Boot knows of the device, for the agent, whose user may not read U-Boot's environment. */
export async function deviceFacts(json: boolean, output: string | undefined): Promise<number> {
  const facts = await readUbootEnvironment();
  if (output === undefined) {
    print({ json }, facts, () => [JSON.stringify(facts, undefined, 2)]);
  } else {
    // Nothing in it is secret: the agent's user has to read it.
    await writeFileAtomic(output, `${JSON.stringify(facts)}\n`, 0o644);
  }
  return 0;
}
