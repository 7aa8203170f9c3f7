import { X509Certificate } from 'node:crypto';
import { reasonOf } from '../../common/errors/tpe-error';

/** An EK certificate in the TPM's NV memory. */
export interface EkCertificate {
  /** NV index: 0x01C00002 (RSA-2048), 0x01C0000A (ECC P-256), 0x01C00016 (ECC P-384). */
  readonly index: number;
  readonly keyType: 'rsa' | 'ec';
  readonly der: Buffer;
  readonly pem: string;
  readonly subject: string;
  readonly issuer: string;
  /** TPM attributes of the subject alternative name (TCG EK Credential Profile, 3.2.9); absent where not given. */
  readonly manufacturer?: string;
  readonly model?: string;
  readonly version?: string;
  /** ISO 8601. */
  readonly validFrom: string;
  readonly validTo: string;
  /** True when it certifies the EK that this agent uses. */
  readonly forThisEk: boolean;
}

/** 2.23.133.2.1 to .3, and the names that newer OpenSSL gives them. */
const ATTRIBUTES = {
  manufacturer: /(?:2\.23\.133\.2\.1|tpmManufacturer)=(#[0-9A-F]+|[^,+/"\\]+)/i,
  model: /(?:2\.23\.133\.2\.2|tpmModel)=(#[0-9A-F]+|[^,+/"\\]+)/i,
  version: /(?:2\.23\.133\.2\.3|tpmVersion)=(#[0-9A-F]+|[^,+/"\\]+)/i,
} as const;

/** OpenSSL prints values of attributes that it does not know as the DER of a short string in hexadecimal. */
function readable(value: string): string {
  if (!value.startsWith('#')) return value;
  const der = Buffer.from(value.slice(1), 'hex');
  return der.length >= 2 && der[1] === der.length - 2 ? der.toString('utf8', 2) : value;
}

/** `id:49465800` is `IFX`: the vendor ID registry of TCG spells vendors in ASCII, but for a few numbers. */
function vendorName(manufacturer: string): string {
  const hex = /^id:([0-9a-f]{8})$/i.exec(manufacturer)?.[1];
  const letters = Buffer.from(hex ?? '', 'hex')
    .toString('latin1')
    .replace(/[\0 ]+$/, '');
  return /^[\x21-\x7e]+$/.test(letters) ? letters : manufacturer;
}

/** Length of the DER structure at the start; manufacturers fill the rest of the index with padding. */
function derLength(content: Buffer): number {
  if (content.length < 4 || content[0] !== 0x30) return content.length;
  const first = content[1] ?? 0;
  if (first < 0x80) return 2 + first;
  const bytes = first & 0x7f;
  if (bytes === 0 || bytes > 3 || content.length < 2 + bytes) return content.length;
  return 2 + bytes + content.readUIntBE(2, bytes);
}

/** Modulus of an RSA TPM2B_PUBLIC: its last sized field is `unique`. */
function modulusOf(ekPublic: Buffer): Buffer {
  return ekPublic.subarray(-256);
}

/**
 * Parses what an NV index held.
 * @param ekPublic TPM2B_PUBLIC of the EK in use, RSA-2048.
 * @returns the reason instead when it is no certificate.
 */
export function parseEkCertificate(index: number, content: Buffer, ekPublic: Buffer): EkCertificate | string {
  const der = content.subarray(0, derLength(content));
  try {
    const certificate = new X509Certificate(der);
    const { publicKey } = certificate;
    const { n } = publicKey.export({ format: 'jwk' });
    const alternative = certificate.subjectAltName?.replaceAll('\\u002c', ',') ?? '';
    const attribute = (pattern: RegExp): string | undefined => {
      const value = pattern.exec(alternative)?.[1];
      return value === undefined ? undefined : readable(value);
    };
    const [manufacturer, model, version] = [
      attribute(ATTRIBUTES.manufacturer),
      attribute(ATTRIBUTES.model),
      attribute(ATTRIBUTES.version),
    ];
    return {
      index,
      keyType: publicKey.asymmetricKeyType === 'ec' ? 'ec' : 'rsa',
      der: Buffer.from(der),
      pem: certificate.toString(),
      subject: certificate.subject,
      issuer: certificate.issuer,
      ...(manufacturer === undefined ? {} : { manufacturer: vendorName(manufacturer) }),
      ...(model === undefined ? {} : { model }),
      ...(version === undefined ? {} : { version }),
      validFrom: new Date(certificate.validFrom).toISOString(),
      validTo: new Date(certificate.validTo).toISOString(),
      forThisEk: n !== undefined && Buffer.from(n, 'base64url').equals(modulusOf(ekPublic)),
    };
  } catch (error) {
    return reasonOf(error);
  }
}
