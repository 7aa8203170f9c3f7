import type { Clock } from '../../common/clock';
import type { Logger } from '../../common/logger';
import type { ProvisioningStatus } from '../../protocol/api-types';
import type { Accounts } from '../accounts/accounts';
import type { AzureProvisioningChange, AzureProvisioningSettings } from '../config/azure-configuration';
import type { DeviceIdentity } from '../device/types';
import type { Discovery } from '../discovery/discovery';
import type { ServiceCatalogue } from '../services/catalogue';
import type { EndorsementKey } from '../tpm/types';

/** Everything that the routes work on; made and joined by the agent's main. */
export interface ApiDependencies {
  readonly identity: DeviceIdentity;
  readonly accounts: Accounts;
  /** `undefined` where there is no TPM. */
  readonly tpm: { endorsementKey(): Promise<EndorsementKey> } | undefined;
  readonly azure: {
    current(): AzureProvisioningSettings;
    patch(change: AzureProvisioningChange): Promise<AzureProvisioningSettings>;
    reset(): Promise<void>;
  };
  readonly provisioning: { status(): ProvisioningStatus; retry(): void; reprovision(): void };
  readonly discovery: Pick<Discovery, 'enabled' | 'setEnabled' | 'provision' | 'setProvision'>;
  readonly services: Pick<ServiceCatalogue, 'list' | 'setEnabled'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ApiOptions {
  /** PEM key and certificate; without them the instance speaks plain HTTP and is for `inject` only. */
  readonly https?: { readonly key: string; readonly cert: string } | undefined;
  /** Largest request body in bytes. */
  readonly bodyLimit?: number;
}
