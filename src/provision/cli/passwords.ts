import type { Command } from 'commander';
import { TpeError } from '../../common/errors/tpe-error';
import { textTable } from '../report/columns';
import { openVault } from './connect';
import { type Flags, commonFlags, jobOf, vaultFlags } from './flags';
import type { Streams } from './streams';

async function show(flags: Flags, streams: Streams): Promise<number> {
  const vault = await openVault(flags, await jobOf(flags), streams);
  if (vault === undefined) {
    const ways = '--vault FILE or gateways.vault in the job file';
    throw new TpeError('PROVISION_SETTING_MISSING', { setting: 'The vault', ways });
  }
  try {
    const entries = [...vault.all()];
    if (flags.json === true) for (const entry of entries) streams.out.write(`${JSON.stringify(entry)}\n`);
    else {
      const rows = entries.map(({ serialNumber, user, password, at }) => [serialNumber, user, password, at]);
      streams.out.write(`${textTable(['Serial No.', 'User', 'Password', 'Since'], rows)}\n`);
    }
    return 0;
  } finally {
    await vault.close();
  }
}

export function addPasswords(program: Command, streams: Streams): void {
  const command = program.command('passwords').description('show the generated passwords of a vault');
  vaultFlags(commonFlags(command)).action(async (flags: Flags) => streams.exit(await show(flags, streams)));
}
