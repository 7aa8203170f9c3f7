import type { Gateway } from '../device';
import type { DeviceRecord } from './record';

/** What is known about every gateway of a job. */
export interface Book {
  get(deviceId: string): DeviceRecord | undefined;
  all(): IterableIterator<DeviceRecord>;
  /** The device that showed this endorsement key; `undefined` when none did. */
  holderOf(endorsementKey: string): DeviceRecord | undefined;
  /** Makes a record, or renews where an existing one is reached. */
  found(gateway: Gateway): Promise<DeviceRecord>;
  /** Changes a record. When this resolves it survives a crash, where the book is a journal. */
  update(deviceId: string, change: Partial<DeviceRecord>): Promise<DeviceRecord>;
  close(): Promise<void>;
}

/** A book for one run only. */
export class MemoryBook implements Book {
  readonly #records = new Map<string, DeviceRecord>();
  readonly #byKey = new Map<string, string>();

  get(deviceId: string): DeviceRecord | undefined {
    return this.#records.get(deviceId);
  }

  all(): IterableIterator<DeviceRecord> {
    return this.#records.values();
  }

  holderOf(endorsementKey: string): DeviceRecord | undefined {
    const deviceId = this.#byKey.get(endorsementKey);
    return deviceId === undefined ? undefined : this.#records.get(deviceId);
  }

  /** Applies a change without keeping it anywhere else. */
  apply(deviceId: string, change: Partial<DeviceRecord>): DeviceRecord | undefined {
    const before = this.#records.get(deviceId);
    const gateway = change.gateway ?? before?.gateway;
    if (gateway === undefined) return undefined;
    const record: DeviceRecord = { stage: 'found', ...before, ...change, gateway };
    if (before?.endorsementKey !== record.endorsementKey && before?.endorsementKey !== undefined) {
      this.#byKey.delete(before.endorsementKey);
    }
    if (record.endorsementKey !== undefined) this.#byKey.set(record.endorsementKey, deviceId);
    this.#records.set(deviceId, record);
    return record;
  }

  async found(gateway: Gateway): Promise<DeviceRecord> {
    return this.update(gateway.deviceId, { gateway });
  }

  update(deviceId: string, change: Partial<DeviceRecord>): Promise<DeviceRecord> {
    const record = this.apply(deviceId, change);
    if (record === undefined) return Promise.reject(new RangeError(`no record of ${deviceId}`));
    return Promise.resolve(record);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
