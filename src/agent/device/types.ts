/** Who this gateway is. */
export interface DeviceIdentity {
  /** E.g. `TAICB1046771`; 12 characters on Moxa's gateways, other lengths up to 64 are accepted. */
  readonly serialNumber: string;
  readonly modelName: string;
  /** Twelve lower-case hexadecimal digits. */
  readonly mac: string;
  readonly firmwareVersion: string;
  /** One for all ports of this gateway; made from serial number and MAC, so that placeholder serials stay apart. */
  readonly deviceId: string;
}

/** A network interface with its addresses. */
export interface NetworkInterface {
  readonly name: string;
  readonly mac: string;
  readonly addresses: readonly {
    readonly address: string;
    readonly netmask: string;
    readonly family: 4 | 6;
  }[];
}
