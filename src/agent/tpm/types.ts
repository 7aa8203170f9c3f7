import type { EkCertificate } from './ek-certificate';

/** Which template the EK was made from: TCG EK Credential Profile (256 zero bytes in `unique`) or Microsoft's SDKs (empty). */
export type EkTemplate = 'tcg' | 'azure-legacy';

/** Public part of a TPM key. */
export interface PublicKey {
  /** Whole TPM2B_PUBLIC with its 2-byte size (TPM 2.0 Part 2, 12.2.5). */
  readonly public: Buffer;
  /** Name: nameAlg ‖ digest, 34 bytes for SHA-256 (TPM 2.0 Part 1, 16). */
  readonly name: Buffer;
}

export interface EndorsementKey extends PublicKey {
  /** `undefined` for a persistent EK: nothing in its public area tells. */
  readonly template: EkTemplate | undefined;
  readonly persistent: boolean;
}

/** A key under the SRK, as Import returned it. Wrapped by the TPM: worth nothing without it. */
export interface WrappedKey {
  /** TPM2B_PUBLIC. */
  readonly public: Buffer;
  /** TPM2B_PRIVATE. */
  readonly private: Buffer;
}

/** Facts of the TPM for `check`, status and logs. */
export interface TpmInfo {
  /** Four characters of TPM_PT_MANUFACTURER, e.g. `IBM`, `IFX`. */
  readonly manufacturer: string;
  readonly vendor: string;
  /** Dotted firmware version. */
  readonly firmwareVersion: string;
  /** Revision of the library specification, e.g. `1.64`. */
  readonly specRevision: string;
  readonly lockout: { readonly active: boolean; readonly counter: number; readonly maxTries: number };
  readonly ownerAuthSet: boolean;
  readonly endorsementAuthSet: boolean;
  /** TCTI configuration in use, e.g. `device:/dev/tpmrm0`. */
  readonly tcti: string;
  /** Version of the tpm2-tss library in use. */
  readonly tssVersion: string;
}

/**
 * The TPM, seen from the agent. Every call is one verb from start to flush; calls may overlap freely and are carried
 * out in order. All reject with a registered TPM_* error and never leave a transient object or session behind, the
 * live identity key excepted.
 */
export interface Tpm {
  info(): Promise<TpmInfo>;
  endorsementKey(): Promise<EndorsementKey>;
  /** Public part of the SRK; goes to DPS only, the API never shows it. */
  storageRootKey(): Promise<PublicKey>;
  /**
   * ActivateCredential and Import: turns an `authenticationKey` of DPS into a key wrapped by this TPM's SRK. Works for
   * challenge key and hub key alike; changes nothing in the TPM.
   */
  activateIdentityKey(blob: Uint8Array): Promise<WrappedKey>;
  /** HMAC-SHA256 with a wrapped key that is loaded for this call only: the challenge key, or a proof of the hub key. */
  signWith(key: WrappedKey, data: Uint8Array): Promise<Buffer>;
  /** Loads the hub key and makes it the one that {@link sign} uses; the one before is flushed after the new one is loaded. */
  loadIdentityKey(key: WrappedKey): Promise<void>;
  /** HMAC-SHA256 with the live identity key. */
  sign(data: Uint8Array): Promise<Buffer>;
  /** Random bytes from the TPM, 1–1024. */
  random(bytes: number): Promise<Buffer>;
  /** Flushes the live key and closes the TCTI. Commands under way are finished or, when stuck, left behind. */
  close(): Promise<void>;
}

/** What the agent's composition can do with the TPM beside what the flow needs. */
export interface ManagedTpm extends Tpm {
  /** All EK certificates in NV memory, parsed. Those that cannot be parsed are logged and left out. */
  ekCertificates(): Promise<readonly EkCertificate[]>;
  /** DER of the certificate of the EK in use; empty where the TPM holds none for it. */
  endorsementCertificates(): Promise<readonly Buffer[]>;
  /** ECC P-256 under the SRK, fixedTPM, restricted signing (attributes 0x50472); made at first use. */
  attestationKey(): Promise<PublicKey>;
  /**
   * ActivateCredential with the attestation key, so that it can never open a challenge of DPS, which is bound to the SRK.
   * @param credentialBlob TPM2B_ID_OBJECT
   * @param secret TPM2B_ENCRYPTED_SECRET
   * @returns the credential; the caller turns it into a proof and wipes it.
   * @throws TPM_CREDENTIAL_REFUSED
   */
  activateCredential(credentialBlob: Uint8Array, secret: Uint8Array): Promise<Buffer>;
  /**
   * Flushes the hub key and forgets it, and removes its copy at 0x81000100. Somebody else's object there stays.
   * @param publicArea TPM2B_PUBLIC of the key whose copy goes; the loaded key's when it is left out.
   */
  unloadIdentityKey(publicArea?: Uint8Array): Promise<void>;
  /**
   * Keeps EK and SRK at 0x81010001 and 0x81000001 unless they are there; needs the owner authorization where one is set.
   * Somebody else's object at 0x81000001 stays, and the SRK is derived as before.
   * @throws TPM_EK_UNSUITABLE for somebody else's object at 0x81010001; TPM_OWNER_AUTHORIZATION, TPM_NV_FULL
   */
  persistPrimaries(): Promise<void>;
  /** From now on the EK must have this name (34 bytes), whichever template gives it; any other is TPM_EK_CHANGED. */
  expectEndorsementKey(name: Uint8Array): Promise<void>;
  /** Replaces the hierarchies' authorization values, at most 64 bytes each; absent means empty. */
  setAuthorizations(auth: { owner?: Uint8Array; endorsement?: Uint8Array }): Promise<void>;
}
