import { X509Certificate } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../../common/clock';
import { spkiSha256 } from '../../common/http/request';
import type { Logger } from '../../common/logger';
import {
  type TlsKeys,
  certificateWarning,
  checkCertificate,
  checkNames,
  loadOwnCertificate,
  removeOwnCertificate,
  saveOwnCertificate,
} from './own-certificate';

export interface ServerKeysOptions {
  readonly stateFolder: string;
  /** What the gateway made for itself. */
  readonly tls: TlsKeys;
  readonly addresses: () => readonly string[];
  /** False while the clock may be wrong. */
  readonly clockIsTrusted: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What HTTPS presents: the certificate that was set, or the self-made one. */
export class ServerKeys {
  readonly #options: ServerKeysOptions;
  #present: TlsKeys;

  constructor(options: ServerKeysOptions) {
    this.#options = options;
    this.#present = options.tls;
  }

  get present(): TlsKeys {
    return this.#present;
  }

  /** Base64 SHA-256 of the SubjectPublicKeyInfo. */
  get sha256(): string {
    return spkiSha256(new X509Certificate(this.#present.cert));
  }

  async load(): Promise<void> {
    const { logger, stateFolder, tls } = this.#options;
    this.#present = (await loadOwnCertificate(stateFolder, logger)) ?? tls;
  }

  /** @throws API_CERTIFICATE_REFUSED */
  check({ cert, key }: TlsKeys, allowOtherNames: boolean): void {
    const { clock, clockIsTrusted } = this.#options;
    checkCertificate(cert, key, { now: clock.now(), clockIsTrusted: clockIsTrusted() });
    if (!allowOtherNames) checkNames(cert, this.#names());
  }

  /** @param keys ones that were checked. @throws FILE_WRITE_FAILED: the ones before stay. */
  async set(keys: TlsKeys): Promise<void> {
    await saveOwnCertificate(this.#options.stateFolder, keys);
    this.#present = keys;
  }

  async unset(): Promise<void> {
    await removeOwnCertificate(this.#options.stateFolder);
    this.#present = this.#options.tls;
  }

  /** What clients may find wrong with a certificate that was set, as names, addresses and time are now. */
  warning(): string | undefined {
    const { clock, clockIsTrusted, tls } = this.#options;
    if (this.#present === tls) return undefined;
    const now = clockIsTrusted() ? clock.now() : undefined;
    return certificateWarning(this.#present.cert, this.#names(), now);
  }

  #names(): string[] {
    return [hostname(), ...this.#options.addresses()];
  }
}
