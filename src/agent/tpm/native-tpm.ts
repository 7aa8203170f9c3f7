import { createHash } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { validate } from '../../common/validate';
import { AttestationKey } from './attestation-key';
import { type EkCertificate, parseEkCertificate } from './ek-certificate';
import { NativeSlot } from './native-slot';
import type { TpmOptions } from './options';
import type { EndorsementKey, ManagedTpm, PublicKey, TpmInfo, WrappedKey } from './types';

const DEFAULTS = {
  commandTimeoutMs: 90_000,
  createTimeoutMs: 300_000,
  busyTimeoutMs: 10_000,
  queueLimit: 4096,
};
/** TPM_MAX_RESPONSE_SIZE: nothing that a TPM takes or gives is larger. */
const LARGEST_BLOB = 4096;
const LARGEST_SIGNED = 65_536;
const EMPTY = new Uint8Array();

const Auth = Type.Uint8Array({ maxByteLength: 64 });
const Milliseconds = Type.Integer({ minimum: 1, maximum: 3_600_000 });
const Options = Type.Object({
  tcti: Type.String({ minLength: 1, maxLength: 512, pattern: '^[\\x21-\\x7e]+$' }),
  resourceManaged: Type.Boolean(),
  ekTemplate: Type.Optional(Type.Union([Type.Literal('tcg'), Type.Literal('azure-legacy')])),
  identityKey: Type.Optional(Type.Union([Type.Literal('wrapped'), Type.Literal('persistent')])),
  expectedEkName: Type.Optional(Type.Uint8Array({ minByteLength: 34, maxByteLength: 34 })),
  ownerAuth: Type.Optional(Auth),
  endorsementAuth: Type.Optional(Auth),
  commandTimeoutMs: Type.Optional(Milliseconds),
  createTimeoutMs: Type.Optional(Milliseconds),
  busyTimeoutMs: Type.Optional(Milliseconds),
  queueLimit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  protectBus: Type.Optional(Type.Boolean()),
  attestationKeyFile: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
});

const Blob = Type.Uint8Array({ minByteLength: 1, maxByteLength: LARGEST_BLOB });
const Signed = Type.Uint8Array({ maxByteLength: LARGEST_SIGNED });
const Wrapped = Type.Object({ public: Blob, private: Blob });

/** {@link Tpm} on the addon: checks what goes in, names what goes wrong. */
export class NativeBackedTpm implements ManagedTpm {
  readonly #options: Static<typeof Options> & Pick<TpmOptions, 'logger'>;
  readonly #slot: NativeSlot;
  readonly #attestation: AttestationKey;

  constructor(options: TpmOptions & { tcti: string; resourceManaged: boolean }) {
    const { logger, ...rest } = options;
    const checked = validate(Options, rest, 'TPM options');
    this.#options = logger ? { ...checked, logger } : checked;
    const limits = { ...DEFAULTS, ...definedOnly(checked) };
    this.#slot = new NativeSlot({
      tcti: checked.tcti,
      resourceManaged: checked.resourceManaged,
      createTimeoutMs: limits.createTimeoutMs,
      commandTimeoutMs: limits.commandTimeoutMs,
      busyTimeoutMs: limits.busyTimeoutMs,
      queueLimit: limits.queueLimit,
      livePublic: EMPTY,
      livePrivate: EMPTY,
      ekTemplate: checked.ekTemplate ?? 'tcg',
      persistentIdentity: checked.identityKey === 'persistent',
      protectBus: checked.protectBus ?? true,
      expectedEkName: checked.expectedEkName ?? EMPTY,
      ownerAuth: checked.ownerAuth ?? EMPTY,
      endorsementAuth: checked.endorsementAuth ?? EMPTY,
    });
    this.#attestation = new AttestationKey(this.#slot, checked.attestationKeyFile, logger);
  }

  async ekCertificates(): Promise<readonly EkCertificate[]> {
    const ek = await this.endorsementKey();
    const stored = await this.#slot.call('other', (native) => native.ekCertificates());
    return stored.flatMap(({ index, content }) => {
      const parsed = parseEkCertificate(index, content, ek.public);
      if (typeof parsed !== 'string') return [parsed];
      this.#options.logger?.warn({ index, reason: parsed }, 'an EK certificate in NV memory cannot be read');
      return [];
    });
  }

  async endorsementCertificates(): Promise<readonly Buffer[]> {
    return (await this.ekCertificates()).filter(({ forThisEk }) => forThisEk).map(({ der }) => der);
  }

  async attestationKey(): Promise<PublicKey> {
    const { public: area } = await this.#attestation.current();
    // Name = nameAlg (SHA-256) ‖ digest of TPMT_PUBLIC (TPM 2.0 Part 1, 16).
    const digest = createHash('sha256').update(area.subarray(2)).digest();
    return { public: area, name: Buffer.concat([Buffer.from([0x00, 0x0b]), digest]) };
  }

  async activateCredential(credentialBlob: Uint8Array, secret: Uint8Array): Promise<Buffer> {
    return await this.#attestation.activate(
      validate(Blob, credentialBlob, 'credential blob'),
      validate(Blob, secret, 'encrypted secret'),
    );
  }

  async info(): Promise<TpmInfo> {
    const facts = await this.#slot.call('other', (native) => native.info());
    return {
      manufacturer: facts.manufacturer,
      vendor: facts.vendor,
      firmwareVersion: [
        facts.firmware1 >>> 16,
        facts.firmware1 & 0xffff,
        facts.firmware2 >>> 16,
        facts.firmware2 & 0xffff,
      ].join('.'),
      specRevision: (facts.revision / 100).toFixed(2),
      lockout: {
        active: facts.lockoutActive,
        counter: facts.lockoutCounter,
        maxTries: facts.lockoutMaxTries,
      },
      ownerAuthSet: facts.ownerAuthSet,
      endorsementAuthSet: facts.endorsementAuthSet,
      tcti: this.#options.tcti,
      tssVersion: facts.tssVersion,
    };
  }

  async endorsementKey(): Promise<EndorsementKey> {
    return await this.#slot.call('other', (native) => native.endorsementKey());
  }

  async storageRootKey(): Promise<PublicKey> {
    const key = await this.#slot.call('other', (native) => native.storageRootKey());
    if (key.strangerAtHandle) {
      this.#options.logger?.warn(
        'the object at 0x81000001 is no RSA-2048 storage key with noDA; it is left alone and the storage key is derived',
      );
    }
    return { public: key.public, name: key.name };
  }

  async persistPrimaries(): Promise<void> {
    await this.#slot.call('other', (native) => native.persistPrimaries());
  }

  async activateIdentityKey(blob: Uint8Array): Promise<WrappedKey> {
    const checked = validate(Blob, blob, 'authentication key');
    return await this.#slot.call('activate', (native) => native.activateIdentityKey(checked));
  }

  async signWith(key: WrappedKey, data: Uint8Array): Promise<Buffer> {
    const checked = validate(Wrapped, key, 'wrapped key');
    const message = validate(Signed, data, 'data to sign');
    return await this.#slot.call('load', (native) =>
      native.signWith(checked.public, checked.private, message),
    );
  }

  async loadIdentityKey(key: WrappedKey): Promise<void> {
    const checked = validate(Wrapped, key, 'wrapped key');
    await this.#slot.call('load', (native) => native.loadIdentityKey(checked.public, checked.private));
    this.#slot.remember({
      livePublic: Buffer.from(checked.public),
      livePrivate: Buffer.from(checked.private),
    });
  }

  async unloadIdentityKey(publicArea?: Uint8Array): Promise<void> {
    const area = publicArea === undefined ? EMPTY : validate(Blob, publicArea, 'public area');
    await this.#slot.call('other', (native) => native.unloadIdentityKey(area));
    this.#slot.remember({ livePublic: EMPTY, livePrivate: EMPTY });
  }

  async sign(data: Uint8Array): Promise<Buffer> {
    const message = validate(Signed, data, 'data to sign');
    return await this.#slot.call('load', (native) => native.sign(message));
  }

  async random(bytes: number): Promise<Buffer> {
    const count = validate(Type.Integer({ minimum: 1, maximum: 1024 }), bytes, 'number of random bytes');
    return await this.#slot.call('other', (native) => native.random(count));
  }

  async expectEndorsementKey(name: Uint8Array): Promise<void> {
    const checked = validate(
      Type.Uint8Array({ minByteLength: 34, maxByteLength: 34 }),
      name,
      'name of the EK',
    );
    this.#slot.remember({ expectedEkName: Uint8Array.from(checked) });
    await this.#slot.call('other', (native) => native.expectEkName(checked));
  }

  async setAuthorizations(auth: { owner?: Uint8Array; endorsement?: Uint8Array }): Promise<void> {
    const owner = validate(Auth, auth.owner ?? EMPTY, 'owner authorization');
    const endorsement = validate(Auth, auth.endorsement ?? EMPTY, 'endorsement authorization');
    this.#slot.remember({ ownerAuth: owner, endorsementAuth: endorsement });
    await this.#slot.call('other', (native) => native.setAuthorizations(owner, endorsement));
  }

  async close(): Promise<void> {
    await this.#slot.close();
  }
}

function definedOnly(options: Static<typeof Options>): Partial<typeof DEFAULTS> {
  const picked: Partial<typeof DEFAULTS> = {};
  for (const key of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = options[key];
    if (value !== undefined) picked[key] = value;
  }
  return picked;
}
