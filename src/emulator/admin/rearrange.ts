import { randomBytes } from 'node:crypto';
import type { Enrollment, Registration } from '../dps/records';
import { refusal } from '../dps/refusal';
import type { DeviceRecord } from '../hub/device-record';
import type { Hub } from '../hub/hub';
import type { Collection } from '../store/collection';

/** Changes that an operator or the service makes behind a device's back. */
export class Rearrange {
  constructor(
    private readonly hubs: ReadonlyMap<string, Hub>,
    private readonly enrollments: Collection<typeof Enrollment>,
    private readonly states: Collection<typeof Registration>,
  ) {}

  /** Drops the device's connection. @throws EMU_REFUSED 404 */
  disconnect(deviceId: string): void {
    this.#find(deviceId).hub.link(deviceId)?.close('disconnected by the admin API');
  }

  /** The token in use ends now: the connection drops, and the same token is refused from here on. */
  expireToken(deviceId: string): void {
    this.#find(deviceId).hub.expireToken(deviceId);
  }

  /** Gives the identity another key, so that the device's is refused until it registers again. */
  async newKey(deviceId: string): Promise<void> {
    const { hub } = this.#find(deviceId);
    const primaryKey = randomBytes(32).toString('base64');
    await hub.update(deviceId, (record) => ({
      ...record,
      primaryKey,
      identityVersion: record.identityVersion + 1,
    }));
    hub.link(deviceId)?.close('the key changed');
  }

  /**
   * The device's home becomes another hub: the old one refuses it, DPS assigns the new one when asked. A move back before
   * that lets it in again.
   */
  async move(deviceId: string, hostName: string): Promise<void> {
    const { hub: from } = this.#find(deviceId);
    const to = this.hubs.get(hostName.toLowerCase());
    if (to === undefined) throw refusal('notFound', 'There is no hub of this name.');
    const registration = this.states.values().find((state) => state.deviceId === deviceId);
    const enrollment = this.enrollments.get(registration?.registrationId ?? deviceId.toLowerCase());
    if (enrollment === undefined) throw refusal('noEnrollment');
    const body = { ...enrollment.body, iotHubHostName: to.hostName, iotHubs: null };
    await this.enrollments.put(body.registrationId, { ...enrollment, body });
    if (to === from) {
      await from.update(deviceId, (record) => ({ ...record, status: 'enabled' }));
      return;
    }
    // The identity stays known to DPS's reprovisioning, but the hub lets nobody in with it.
    await from.update(deviceId, (record) => ({ ...record, status: 'disabled' }));
    from.link(deviceId)?.close('the device moved');
  }

  #find(deviceId: string): { hub: Hub; device: DeviceRecord } {
    const registration = this.states.values().find((state) => state.deviceId === deviceId);
    const assigned = this.hubs.get(registration?.assignedHub ?? '');
    for (const hub of assigned === undefined ? this.hubs.values() : [assigned]) {
      const device = hub.devices.get(deviceId);
      if (device !== undefined) return { hub, device };
    }
    throw refusal('notFound', 'There is no device of this name.');
  }
}
