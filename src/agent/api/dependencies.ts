import type { Clock } from '../../common/clock';
import type { Logger } from '../../common/logger';
import type { ProvisioningStatus } from '../../protocol/api-types';
import type { Accounts } from '../accounts/accounts';
import type { PasswordHasher } from '../accounts/password-hasher';
import type { AzureProvisioningChange, AzureProvisioningSettings } from '../config/azure-configuration';
import type { HttpServerSettings, StoredDeviceSettings } from '../device/device-settings';
import type { DeviceIdentity } from '../device/types';
import type { Discovery } from '../discovery/discovery';
import type { ServiceCatalogue } from '../services/catalogue';
import type { Ethernets } from '../services/ethernet';
import type { HostControl } from '../services/helper-client';
import type { AuditTrail } from '../system/audit';
import type { EkCertificate } from '../tpm';
import type { EndorsementKey, PublicKey, TpmInfo } from '../tpm/types';
import type { CloudPass } from './plugins/cloud-pass';

/** What the API needs of the TPM: to show the EK and to prove that this TPM holds it. */
export interface ApiTpm {
  info(): Promise<Pick<TpmInfo, 'manufacturer' | 'firmwareVersion' | 'specRevision'>>;
  endorsementKey(): Promise<EndorsementKey>;
  /** All EK certificates in NV memory; empty where the TPM holds none. */
  ekCertificates(): Promise<readonly EkCertificate[]>;
  attestationKey(): Promise<PublicKey>;
  /**
   * ActivateCredential with the attestation key, so that it can never open a challenge of DPS, which is bound to the SRK.
   * @param credentialBlob TPM2B_ID_OBJECT
   * @param secret TPM2B_ENCRYPTED_SECRET
   */
  activateCredential(credentialBlob: Uint8Array, secret: Uint8Array): Promise<Buffer>;
}

/** The listeners of the API, as far as the API itself changes them. */
export interface HttpServerControl {
  settings(): HttpServerSettings;
  change(change: {
    httpEnable?: boolean;
    httpPort?: number;
    httpsEnable?: boolean;
    httpsPort?: number;
  }): Promise<void>;
  useCertificate(certificate: string, key: string, allowOtherNames?: boolean): Promise<void>;
  useOwnCertificate(): Promise<void>;
  /** What clients may find wrong with a certificate that was set. */
  certificateWarning(): string | undefined;
  /** Base64 SHA-256 of the SubjectPublicKeyInfo that HTTPS presents. */
  keySha256(): string;
}

/** Everything that the routes work on. */
export interface ApiDependencies {
  readonly identity: DeviceIdentity;
  readonly accounts: Accounts;
  readonly hasher: PasswordHasher;
  readonly audit: Pick<AuditTrail, 'record' | 'query' | 'failing' | 'lost'>;
  /** `undefined` where there is no TPM. */
  readonly tpm: ApiTpm | undefined;
  /** Folder with the TPM vendors' certificates; `undefined` where none is set. */
  readonly ekCaFolder: string | undefined;
  readonly azure: {
    current(): AzureProvisioningSettings;
    patch(change: AzureProvisioningChange): Promise<AzureProvisioningSettings>;
    reset(): Promise<void>;
  };
  readonly provisioning: { status(): ProvisioningStatus; retry(): void };
  readonly discovery: Pick<Discovery, 'enabled' | 'setEnabled' | 'provision' | 'setProvision' | 'counters'>;
  readonly services: Pick<ServiceCatalogue, 'list' | 'get' | 'setEnabled'>;
  readonly deviceSettings: StoredDeviceSettings;
  readonly ethernets: Pick<Ethernets, 'list' | 'change' | 'confirm'>;
  readonly host: HostControl;
  readonly httpServer: HttpServerControl;
  readonly guard: { readonly open: number; readonly refused: number };
  /** Resets the named scopes to the factory default; an empty set is everything. */
  readonly reset: (scopes: ReadonlySet<string>) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ApiOptions {
  /** Lets calls from IoT Hub in. */
  readonly cloudPass?: CloudPass;
  /** Largest request body in bytes. */
  readonly bodyLimit?: number;
}
