/** One gateway as discovery (or a list) told of it. Nothing in here is proven. */
export interface Gateway {
  /** One for all ports of a gateway; the key of everything that is kept about it. */
  readonly deviceId: string;
  readonly serialNumber: string;
  /** Twelve lower-case hexadecimal digits. */
  readonly mac: string;
  readonly modelName: string;
  readonly firmwareVersion: string;
  /** Where the API is reached; IPv6 link-local with its zone. */
  readonly address: string;
  readonly port: number;
  readonly apiBase: string;
  /** Base64 SHA-256 of the TLS key's SubjectPublicKeyInfo, as claimed. */
  readonly keySha256: string;
}

/** How messages name a gateway: `TAICB1046771 (192.168.4.127)`. */
export function nameOf(gateway: Pick<Gateway, 'serialNumber' | 'address'>): string {
  return `${gateway.serialNumber} (${gateway.address})`;
}
