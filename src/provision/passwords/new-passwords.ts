import { readFile } from 'node:fs/promises';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { parseCsv } from '../csv';
import type { Gateway } from '../device';
import { fillTemplate, placeholdersOf } from '../template';
import { generatePassword } from './generate';
import type { Vault } from './vault';

/** Where the passwords come from that are set at the first login. */
export interface NewPasswords {
  /** The one that this gateway has or will get, as far as it is settled. */
  known(gateway: Gateway): string | undefined;
  /** The one to set now, kept safely before this resolves; `undefined` when none was given. */
  obtain(gateway: Gateway): Promise<string | undefined>;
}

/** One password for all, or a rule with `{serial}`, `{mac}` and the like. */
export function passwordsByRule(rule: string | undefined): NewPasswords {
  const known = (gateway: Gateway): string | undefined =>
    rule === undefined ? undefined : fillTemplate(rule, placeholdersOf(gateway));
  return { known, obtain: (gateway) => Promise.resolve(known(gateway)) };
}

/**
 * A list: CSV with `serialNumber` (or `mac`) and `password`.
 * @throws FILE_READ_FAILED, VALUE_INVALID
 */
export async function passwordsFromList(path: string): Promise<NewPasswords> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
  const byId = new Map<string, string>();
  for (const { line, values } of parseCsv(text, path)) {
    const id = values['serialNumber'] ?? values['mac']?.toLowerCase().replace(/[:-]/g, '');
    const password = values['password'];
    if (!id || !password) {
      const reason = 'a serialNumber (or mac) and a password are needed';
      throw new TpeError('VALUE_INVALID', { what: path, place: `line ${line}`, reason });
    }
    byId.set(id, password);
  }
  const known = ({ mac, serialNumber }: Gateway): string | undefined =>
    byId.get(mac) ?? byId.get(serialNumber);
  return { known, obtain: (gateway) => Promise.resolve(known(gateway)) };
}

/** Generated for each gateway and kept in the vault. */
export function passwordsFromVault(vault: Vault, user: string): NewPasswords {
  const known = (gateway: Gateway): string | undefined => vault.get(gateway.deviceId)?.password;
  return {
    known,
    async obtain(gateway) {
      const before = known(gateway);
      if (before !== undefined) return before;
      const password = generatePassword();
      const { deviceId, serialNumber } = gateway;
      await vault.add({ at: new Date().toISOString(), deviceId, serialNumber, user, password });
      return password;
    },
  };
}
