import { validate } from '../common/validate';
import type { Accounts } from './accounts/accounts';
import { isFactoryNew } from './accounts/schema';
import type { PasswordHasher } from './accounts/password-hasher';
import type { AzureConfiguration } from './config/azure-configuration';
import { factoryStateFile } from './config/factory-state';
import type { Lifecycle } from './connection/lifecycle';
import type { DeviceIdentity } from './device/types';
import { FactoryInitArgs, factoryInit } from './local/factory-init';
import { type StatePaths, requestFactoryReset } from './local/factory-reset';
import { type LiveSources, agentFacts, ekReport, statusReport } from './local/facts';
import type { ControlHandlers } from './system/control';
import type { ManagedTpm } from './tpm/types';

export interface ControlDependencies {
  readonly identity: DeviceIdentity;
  readonly tpm: ManagedTpm;
  readonly azure: AzureConfiguration;
  readonly accounts: Accounts;
  readonly hasher: PasswordHasher;
  readonly lifecycle: Lifecycle;
  readonly paths: StatePaths;
  readonly tlsKeySha256: string;
  readonly discovery: LiveSources['discovery'];
  readonly api: LiveSources['api'];
  readonly startedAtMs: number;
  /** Ends this run of the agent and begins the next, which finishes the reset. */
  readonly onRestart: () => void;
}

/** True while the first administrator still has the factory's password. */
function passwordMustChange(accounts: Accounts): boolean {
  return accounts.locked === undefined && isFactoryNew(accounts.state);
}

/** What tpe-agentctl may ask of a running agent. */
export function controlHandlers(parts: ControlDependencies): ControlHandlers {
  const { identity, azure, accounts, paths, lifecycle, hasher } = parts;
  const sources = {
    identity,
    tpm: () => Promise.resolve(parts.tpm),
    azure: () => azure.current(),
    factory: () => factoryStateFile(paths.state).load(),
    live: {
      startedAtMs: parts.startedAtMs,
      provisioning: () => lifecycle.status(),
      discovery: parts.discovery,
      api: parts.api,
      passwordMustChange: () => passwordMustChange(accounts),
    },
  };
  return {
    status: () => statusReport(sources),
    ek: () => ekReport(sources),
    check: () => agentFacts(sources),
    factoryInit: (args) =>
      factoryInit(
        {
          ...sources,
          stateFolder: paths.state,
          hasher,
          tlsKeySha256: () => Promise.resolve(parts.tlsKeySha256),
          commissioned: () => Promise.resolve(!passwordMustChange(accounts)),
          setInitialPassword: (hash) => accounts.reset(hash),
        },
        validate(FactoryInitArgs, args, 'the arguments of factory init'),
      ),
    factoryReset: async () => {
      await requestFactoryReset(paths);
      parts.onRestart();
      return { restarting: true };
    },
  };
}
