import { type Static, Type } from '@sinclair/typebox';
import { TpeError } from '../../common/errors/tpe-error';
import type { PasswordHasher } from '../accounts/password-hasher';
import { factoryStateFile } from '../config/factory-state';
import { type LocalSources, ekReport } from './facts';
import { makeInitialPassword } from './initial-password';

/** What the production line keeps of a gateway, and `tpe-provision enroll --from` reads. Empty where there is none. */
export const FactoryRecord = Type.Object({
  serialNumber: Type.String(),
  /** Twelve lower-case hexadecimal digits. */
  mac: Type.String(),
  modelName: Type.String(),
  firmwareVersion: Type.String(),
  registrationId: Type.String(),
  /** Base64 of the whole TPM2B_PUBLIC. */
  endorsementKey: Type.String(),
  /** Hexadecimal. */
  ekName: Type.String(),
  /** Base64 of the DER. */
  ekCertificate: Type.String(),
  /** Base64 SHA-256 of the TLS key's SubjectPublicKeyInfo. */
  keySha256: Type.String(),
  /** Empty when the gateway went through this step before and nobody kept the password. */
  initialPassword: Type.String(),
  initializedAt: Type.String(),
});
export type FactoryRecord = Static<typeof FactoryRecord>;

export const FactoryInitArgs = Type.Object(
  {
    /** The password of an earlier record: kept when it is still the one. */
    knownPassword: Type.Optional(Type.String({ minLength: 8, maxLength: 256, pattern: '^\\S+$' })),
    /** Make a new password although there is one. */
    renewPassword: Type.Optional(Type.Boolean()),
    /** Go on without a TPM. */
    withoutTpm: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type FactoryInitArgs = Static<typeof FactoryInitArgs>;

export interface FactoryInitDependencies extends LocalSources {
  readonly stateFolder: string;
  readonly hasher: PasswordHasher;
  /** Makes the TLS key where there is none. */
  readonly tlsKeySha256: () => Promise<string>;
  /** True when the administrator chose a password already: then this is no factory any more. */
  readonly commissioned: () => Promise<boolean>;
  /** Replaces the accounts by the factory's administrator with this password. */
  readonly setInitialPassword: (hash: string) => Promise<void>;
}

interface TpmPart {
  readonly endorsementKey: string;
  readonly ekName: string;
  readonly ekCertificate: string;
}

const WITHOUT_TPM: TpmPart = { endorsementKey: '', ekName: '', ekCertificate: '' };

async function tpmPart(dependencies: FactoryInitDependencies): Promise<TpmPart> {
  const tpm = await dependencies.tpm();
  const { lockout } = await tpm.info();
  if (lockout.active) {
    throw new TpeError('FACTORY_TPM_LOCKED', { counter: lockout.counter, maxTries: lockout.maxTries });
  }
  await tpm.persistPrimaries();
  const ek = await ekReport(dependencies);
  return { endorsementKey: ek.endorsementKey, ekName: ek.name, ekCertificate: ek.certificate ?? '' };
}

/**
 * The factory's step: checks the TPM, makes its primary keys persistent, makes TLS key and initial password. May be
 * repeated: what is there stays, so the label that was printed stays true.
 * @throws FACTORY_COMMISSIONED, FACTORY_TPM_LOCKED, TPM_*, FILE_WRITE_FAILED
 */
export async function factoryInit(
  dependencies: FactoryInitDependencies,
  args: FactoryInitArgs,
): Promise<FactoryRecord> {
  const { hasher, identity, stateFolder } = dependencies;
  if (await dependencies.commissioned()) throw new TpeError('FACTORY_COMMISSIONED');
  const fromTpm = args.withoutTpm === true ? WITHOUT_TPM : await tpmPart(dependencies);
  const keySha256 = await dependencies.tlsKeySha256();

  const file = factoryStateFile(stateFolder);
  const before = await file.load();
  const known =
    args.knownPassword !== undefined &&
    before !== undefined &&
    (await hasher.verify(args.knownPassword, before.initialPasswordHash));
  const keep = before !== undefined && args.renewPassword !== true;
  const initialPassword = keep ? (known ? (args.knownPassword ?? '') : '') : makeInitialPassword();
  const initialPasswordHash = keep ? before.initialPasswordHash : await hasher.hash(initialPassword);
  const initializedAt = keep ? before.initializedAt : new Date().toISOString();

  const { serialNumber, mac, modelName, firmwareVersion } = identity;
  const after = {
    serialNumber,
    modelName,
    mac,
    firmwareVersion,
    initialPasswordHash,
    keySha256,
    initializedAt,
    ...(fromTpm.ekName === '' ? {} : { ekName: fromTpm.ekName }),
  };
  // The accounts come last: when they have the password, the factory state that survives a reset has it too.
  if (JSON.stringify(before) !== JSON.stringify(after)) await file.save(after);
  // Also where it is kept: the power may have been cut between the two last time.
  await dependencies.setInitialPassword(initialPasswordHash);

  return {
    serialNumber,
    mac,
    modelName,
    firmwareVersion,
    registrationId: serialNumber.toLowerCase(),
    ...fromTpm,
    keySha256,
    initialPassword,
    initializedAt,
  };
}
