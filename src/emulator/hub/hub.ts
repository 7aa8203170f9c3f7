import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Logger } from '../../common/logger';
import type { ServiceClock } from '../service-clock';
import type { Collection } from '../store/collection';
import type { Instance } from '../store/instance';
import { type DeviceRecord, type JsonObject, NEVER, type Twin } from './device-record';
import type { MethodAnswer } from './pending-methods';
import { newTwin } from './twin';

/** Bytes of a device key, as DPS makes them for TPM devices. */
const KEY_BYTES = 32;
/** Tokens that were ended before their time. */
const MOST_EXPIRED = 10_000;

/** What a connected device offers to the hub. */
export interface DeviceLink {
  /** Sends a change of the desired properties, if the device subscribed to them. */
  desiredChanged(patch: JsonObject, version: number): void;
  /** True when the device listens for direct methods. */
  readonly takesMethods: boolean;
  /** True when the device listens for changes of its desired properties. */
  readonly takesDesired: boolean;
  /** Calls a direct method; rejects with EMU_METHOD_TIMEOUT or EMU_DEVICE_NOT_CONNECTED. */
  invoke(method: string, payload: unknown, timeoutMs: number): Promise<MethodAnswer>;
  /** Delivers waiting cloud-to-device messages. */
  deliver(): void;
  /** Drops the connection without a word, as the service does. */
  close(reason: string): void;
  /** Signature of the token it connected with. */
  readonly tokenSignature: string;
}

interface HubEvents {
  /** A device listens for direct methods. */
  methods: [deviceId: string];
}

/** One IoT Hub: device identities, twins, waiting messages and who is connected. */
export class Hub extends EventEmitter<HubEvents> {
  readonly #links = new Map<string, DeviceLink>();
  readonly #expired = new Set<string>();
  /** When devices last came or went; in memory, because a disk write for every connection would be a storm's load. */
  readonly #touched = new Map<string, string>();

  constructor(
    readonly settings: Instance['hubs'][number],
    readonly devices: Collection<typeof DeviceRecord>,
    private readonly clock: ServiceClock,
    readonly logger: Logger,
  ) {
    super();
    // Every waiting method call listens for its device.
    this.setMaxListeners(0);
  }

  get hostName(): string {
    return this.settings.hostName;
  }

  link(deviceId: string): DeviceLink | undefined {
    return this.#links.get(deviceId);
  }

  get connectedCount(): number {
    return this.#links.size;
  }

  /** Takes over the device's one connection: an older one is dropped. */
  attach(deviceId: string, link: DeviceLink): void {
    this.#links.get(deviceId)?.close('another connection of the same device');
    this.#links.set(deviceId, link);
  }

  detach(deviceId: string, link: DeviceLink): void {
    if (this.#links.get(deviceId) === link) this.#links.delete(deviceId);
  }

  /** The device, made when it is not there. */
  async ensureDevice(
    deviceId: string,
    options: { twin?: Twin | undefined; iotEdge?: boolean; primaryKey?: string } = {},
  ): Promise<DeviceRecord> {
    const there = this.devices.get(deviceId);
    if (there !== undefined) return there;
    const record: DeviceRecord = {
      deviceId,
      generationId: `${this.clock.now()}${randomBytes(3).readUIntBE(0, 3)}`,
      identityVersion: 1,
      status: 'enabled',
      primaryKey: options.primaryKey ?? randomBytes(KEY_BYTES).toString('base64'),
      secondaryKey: randomBytes(KEY_BYTES).toString('base64'),
      iotEdge: options.iotEdge ?? false,
      twin: options.twin ?? newTwin(),
      messages: [],
      nextSequence: 1,
      subscriptions: [],
    };
    await this.devices.put(deviceId, record);
    return record;
  }

  /** Changes a record in one step, so that no change between reading and writing is lost. */
  async update(
    deviceId: string,
    change: (record: DeviceRecord) => DeviceRecord,
  ): Promise<DeviceRecord | undefined> {
    const record = this.devices.get(deviceId);
    if (record === undefined) return undefined;
    const changed = change(record);
    await this.devices.put(deviceId, changed);
    return changed;
  }

  async removeDevice(deviceId: string): Promise<boolean> {
    const removed = await this.devices.delete(deviceId);
    this.#touched.delete(deviceId);
    this.#links.get(deviceId)?.close('the device was deleted');
    return removed;
  }

  /** The device's connection ends, and its token opens none again. */
  expireToken(deviceId: string): void {
    const link = this.#links.get(deviceId);
    if (link === undefined) return;
    this.#expired.add(link.tokenSignature);
    const [oldest] = this.#expired;
    if (this.#expired.size > MOST_EXPIRED && oldest !== undefined) this.#expired.delete(oldest);
    link.close('the token expired');
  }

  isExpired(tokenSignature: string): boolean {
    return this.#expired.has(tokenSignature);
  }

  /** A device connected, or its connection ended. */
  touched(deviceId: string): void {
    if (this.devices.get(deviceId) !== undefined) this.#touched.set(deviceId, this.clock.iso());
  }

  /** ISO 8601; {@link NEVER} since the start of the emulator. */
  lastTouched(deviceId: string): string {
    return this.#touched.get(deviceId) ?? NEVER;
  }

  /** Drops every connection. */
  closeAll(reason: string): void {
    for (const link of [...this.#links.values()]) link.close(reason);
  }
}
