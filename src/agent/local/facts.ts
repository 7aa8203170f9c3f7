import { withDeadline } from '../../common/deadline';
import { TpeError, toTpeError } from '../../common/errors/tpe-error';
import { version } from '../../common/version';
import type { ProvisioningStatus } from '../../protocol/api-types';
import type { AzureProvisioningSettings } from '../config/azure-rules';
import type { FactoryState } from '../config/factory-state';
import type { DeviceIdentity } from '../device/types';
import type { ManagedTpm } from '../tpm/types';
import type { AgentFacts, EkReport, Problem, StatusReport } from './reports';

/** What the local command line's answers are made of. Live values are functions; absent where no agent runs. */
export interface LocalSources {
  readonly identity: DeviceIdentity;
  /** Rejects with a TPM_* error where there is no usable TPM. */
  readonly tpm: () => Promise<ManagedTpm>;
  readonly azure: () => AzureProvisioningSettings;
  readonly factory: () => Promise<FactoryState | undefined>;
  readonly live?: LiveSources;
}

export interface LiveSources {
  readonly startedAtMs: number;
  readonly provisioning: () => ProvisioningStatus;
  readonly discovery: () => { enabled: boolean; port: number };
  readonly api: () => { address: string; port: number; keySha256: string };
  readonly passwordMustChange: () => boolean;
}

/** A problem in the place of a fact. */
export function problemOf(error: unknown): Problem {
  const { code, message, advice } = toTpeError(error);
  return { code, message, advice };
}

async function factOr<T>(read: () => Promise<T>): Promise<T | Problem> {
  try {
    return await read();
  } catch (error) {
    return problemOf(error);
  }
}

export function registrationIdOf({ azure, identity }: Pick<LocalSources, 'azure' | 'identity'>): string {
  const { registrationId } = azure();
  return registrationId === '' ? identity.serialNumber.toLowerCase() : registrationId;
}

/** @throws TPM_* */
export async function ekReport(sources: LocalSources): Promise<EkReport> {
  const tpm = await sources.tpm();
  const ek = await tpm.endorsementKey();
  const [certificate] = await tpm.endorsementCertificates();
  return {
    registrationId: registrationIdOf(sources),
    endorsementKey: ek.public.toString('base64'),
    name: ek.name.toString('hex'),
    persistent: ek.persistent,
    ...(ek.template === undefined ? {} : { template: ek.template }),
    ...(certificate === undefined ? {} : { certificate: certificate.toString('base64') }),
  };
}

/** A person waits for the answer: a TPM that says nothing for so long is told as such, whatever it says later. */
const TPM_PATIENCE_MS = 3000;

export async function statusReport(sources: LocalSources): Promise<StatusReport> {
  const { identity, live } = sources;
  const tpm = await withDeadline(
    factOr(async () => {
      await (await sources.tpm()).info();
      return undefined;
    }),
    TPM_PATIENCE_MS,
    () =>
      problemOf(
        new TpeError('TPM_TIMEOUT', {
          command: 'TPM2_GetCapability',
          reason: `nothing came within ${TPM_PATIENCE_MS / 1000} s`,
        }),
      ),
  );
  return {
    running: live !== undefined,
    version,
    identity,
    tpm: tpm === undefined ? { available: true } : { available: false, problem: tpm },
    ...(live === undefined
      ? {}
      : {
          pid: process.pid,
          uptimeSec: Math.floor((Date.now() - live.startedAtMs) / 1000),
          provisioning: live.provisioning(),
          discovery: live.discovery(),
          api: live.api(),
        }),
  };
}

export async function agentFacts(sources: LocalSources): Promise<AgentFacts> {
  const { identity, live } = sources;
  // One after the other: on a TPM without a resource manager the verbs queue up anyway.
  const tpm = await factOr(async () => (await sources.tpm()).info());
  const ek = await factOr(() => ekReport(sources));
  const srk = await factOr(async () => ({
    name: (await (await sources.tpm()).storageRootKey()).name.toString('hex'),
  }));
  const factory = await sources.factory();
  const { enable, globalEndpoint, scopeId } = sources.azure();
  return {
    version,
    nodeVersion: process.version,
    identity,
    tpm,
    ek,
    srk,
    azure: { enable, globalEndpoint, scopeId, registrationId: registrationIdOf(sources) },
    ...(live === undefined
      ? {}
      : {
          provisioning: live.provisioning(),
          discovery: live.discovery(),
          api: live.api(),
          passwordMustChange: live.passwordMustChange(),
        }),
    ...(factory === undefined
      ? {}
      : {
          factory: {
            serialNumber: factory.serialNumber,
            ...(factory.ekName === undefined ? {} : { ekName: factory.ekName }),
          },
        }),
  };
}
