import type { Accounts } from '../accounts/accounts';
import type { Discovery } from '../discovery/discovery';
import type { ApiDependencies } from './dependencies';

interface ResetParts {
  readonly accounts: Pick<Accounts, 'reset'>;
  readonly azure: Pick<ApiDependencies['azure'], 'reset'>;
  readonly discovery: Pick<Discovery, 'reset'>;
  /** Hash of the password that the factory set; `undefined` for the well-known one. */
  readonly initialPasswordHash: () => Promise<string | undefined>;
  readonly everything: () => Promise<void>;
}

/**
 * What `PUT /system/reset-default` does. `keep-network-setting` alone is everything: the agent never touches the
 * network settings in a reset, which belong to the system.
 */
export function resetScopes(parts: ResetParts): (scopes: ReadonlySet<string>) => Promise<void> {
  return async (scopes) => {
    const named = [...scopes].filter((scope) => scope !== 'keep-network-setting');
    if (named.length === 0) {
      await parts.everything();
      return;
    }
    if (named.includes('azure-iotedge') || named.includes('provision')) await parts.azure.reset();
    if (named.includes('discovery') || named.includes('provision')) await parts.discovery.reset();
    // Last: it ends the session that asked for all this.
    if (named.includes('account')) await parts.accounts.reset(await parts.initialPasswordHash());
  };
}
