import { join } from 'node:path';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import type { EkTemplate } from './types';

/** Constructor options of the addon; everything is given, nothing is defaulted below. */
export interface NativeOptions {
  readonly tcti: string;
  readonly resourceManaged: boolean;
  readonly createTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly busyTimeoutMs: number;
  readonly ekTemplate: EkTemplate;
  readonly persistentIdentity: boolean;
  readonly protectBus: boolean;
  readonly expectedEkName: Uint8Array;
  readonly ownerAuth: Uint8Array;
  readonly endorsementAuth: Uint8Array;
  /** Hub key to load at the first sign; empty for none. */
  readonly livePublic: Uint8Array;
  readonly livePrivate: Uint8Array;
  readonly queueLimit: number;
}

/** The class of the addon (native/tpm_class.cpp). Its promises reject with an Error that is a {@link NativeFailure}. */
export interface NativeTpm {
  info(): Promise<NativeInfo>;
  endorsementKey(): Promise<{
    public: Buffer;
    name: Buffer;
    template: EkTemplate | undefined;
    persistent: boolean;
  }>;
  storageRootKey(): Promise<{ public: Buffer; name: Buffer; persistent: boolean; strangerAtHandle: boolean }>;
  persistPrimaries(): Promise<void>;
  activateIdentityKey(blob: Uint8Array): Promise<{ public: Buffer; private: Buffer }>;
  signWith(publicArea: Uint8Array, privateArea: Uint8Array, data: Uint8Array): Promise<Buffer>;
  loadIdentityKey(publicArea: Uint8Array, privateArea: Uint8Array): Promise<void>;
  unloadIdentityKey(publicArea: Uint8Array): Promise<void>;
  sign(data: Uint8Array): Promise<Buffer>;
  random(count: number): Promise<Buffer>;
  ekCertificates(): Promise<{ index: number; content: Buffer }[]>;
  createAttestationKey(): Promise<{ public: Buffer; private: Buffer }>;
  activateCredential(
    publicArea: Uint8Array,
    privateArea: Uint8Array,
    credentialBlob: Uint8Array,
    secret: Uint8Array,
  ): Promise<Buffer>;
  expectEkName(name: Uint8Array): Promise<void>;
  setAuthorizations(owner: Uint8Array, endorsement: Uint8Array): Promise<void>;
  close(): Promise<void>;
  /** True when the TPM owes an answer to the command under way. */
  overdue(): boolean;
  /** Rejects what is pending (kind `abandoned`) and leaves the thread to itself; it sends no further command. */
  abandon(): void;
}

export interface NativeInfo {
  readonly manufacturer: string;
  readonly vendor: string;
  readonly firmware1: number;
  readonly firmware2: number;
  readonly revision: number;
  readonly lockoutActive: boolean;
  readonly lockoutCounter: number;
  readonly lockoutMaxTries: number;
  readonly ownerAuthSet: boolean;
  readonly endorsementAuthSet: boolean;
  readonly tssVersion: string;
}

/** What the addon's errors carry (native/failure.hpp). */
export interface NativeFailure {
  readonly kind: string;
  readonly command: string;
  readonly reason: string;
  readonly rc: number;
}

interface Addon {
  readonly NativeTpm: {
    new (options: NativeOptions): NativeTpm;
    /** Abandoned threads that still wait for their TPM. */
    leftBehind(): number;
  };
}

/** Beside the bundle; from source it is where the build puts it. */
function addonPath(): string {
  const bundled = !__filename.endsWith('.ts');
  return bundled ? join(__dirname, 'tpe_tpm.node') : join(__dirname, '../../../dist/tpe_tpm.node');
}

/** @throws TPM_ADDON_MISSING */
export function loadAddon(): Addon {
  const module: { exports: unknown } = { exports: {} };
  try {
    // Not require(): the path is not known to the bundler, and a test runner must not wrap it.
    process.dlopen(module, addonPath());
  } catch (error) {
    throw new TpeError('TPM_ADDON_MISSING', { reason: reasonOf(error) }, { cause: error });
  }
  return module.exports as Addon;
}
