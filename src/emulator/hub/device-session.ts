import { TpeError, isTpeError, reasonOf } from '../../common/errors/tpe-error';
import { delay, systemClock } from '../../common/clock';
import type { CloudMessage } from './device-record';
import type { DeviceLink, Hub } from './hub';
import { type MethodAnswer, PendingMethods } from './pending-methods';
import type { HubContext, PacketSender } from './hub-context';
import {
  cloudMessageTopic,
  desiredTopic,
  maySubscribe,
  methodTopic,
  parseDeviceTopic,
  subscriptionOf,
  twinAnswerTopic,
} from './topics';
import { deviceView, isObject, patchReported } from './twin';

const REFUSED_SUBSCRIPTION = 0x80;
/** Telemetry is shown up to this many characters. */
const SHOWN_BODY = 1024;

/** What a connected device and its hub say to each other: telemetry, twin, direct methods, cloud-to-device messages. */
export class DeviceSession implements DeviceLink {
  /** True when the hub kept subscriptions of an earlier session. */
  readonly present: boolean;
  readonly #subscriptions: Map<string, 0 | 1>;
  readonly #methods: PendingMethods;
  /** Messages on their way, by MQTT packet id. */
  readonly #inFlight = new Map<number, string>();
  #lastPacketId = 0;

  constructor(
    private readonly connection: PacketSender,
    private readonly context: HubContext,
    private readonly hub: Hub,
    readonly deviceId: string,
    private readonly clean: boolean,
    readonly tokenSignature: string,
  ) {
    this.#methods = new PendingMethods(deviceId);
    const kept = clean ? [] : (hub.devices.get(deviceId)?.subscriptions ?? []);
    this.#subscriptions = new Map(kept.map(([filter, qos]) => [filter, qos === 0 ? 0 : 1]));
    this.present = kept.length > 0;
  }

  begin(): void {
    this.context.counters.count(this.deviceId, 'hubSessions');
    this.context.logger.info({ deviceId: this.deviceId, hub: this.hub.hostName }, 'device connected');
    this.hub.attach(this.deviceId, this);
    this.#touch();
    if (this.takesMethods) this.hub.emit('methods', this.deviceId);
    this.deliver();
  }

  get takesMethods(): boolean {
    return this.#subscriptions.has(subscriptionOf.methods);
  }

  get takesDesired(): boolean {
    return this.#subscriptions.has(subscriptionOf.desired);
  }

  ended(reason: string): void {
    this.hub.detach(this.deviceId, this);
    this.#methods.end();
    this.context.logger.info(
      { deviceId: this.deviceId, hub: this.hub.hostName, reason },
      'device disconnected',
    );
    this.#touch();
  }

  close(reason: string): void {
    this.connection.close(reason);
  }

  /** @returns the granted QoS, or 0x80. */
  subscribe(filter: string, qos: number): number {
    if (!maySubscribe(this.deviceId, filter)) return REFUSED_SUBSCRIPTION;
    const granted = qos === 0 ? 0 : 1;
    this.#subscriptions.set(filter, granted);
    return granted;
  }

  /** After SUBACK: what waited for the subscription goes out. */
  subscribed(): void {
    this.#keepSubscriptions();
    if (this.takesMethods) this.hub.emit('methods', this.deviceId);
    this.deliver();
  }

  unsubscribe(filters: readonly string[]): void {
    for (const filter of filters) this.#subscriptions.delete(filter);
    this.#keepSubscriptions();
  }

  /** @returns whether the hub took the message, which is what PUBACK says. */
  async published(topic: string, payload: Buffer, retain: boolean): Promise<boolean> {
    const parsed = parseDeviceTopic(this.deviceId, topic);
    if (parsed === undefined) {
      this.close(`publishing to ${topic} is not allowed`);
      return false;
    }
    const fault = this.context.faults.take('hub-publish', this.deviceId);
    if (fault?.type === 'drop') {
      this.close('fault: drop');
      return false;
    }
    if (fault?.type === 'silence') return false;
    if (fault?.type === 'delay') await delay(systemClock, fault.delayMs);
    switch (parsed.kind) {
      case 'telemetry': {
        const properties = retain ? [...parsed.properties, ['mqtt-retain', 'true']] : parsed.properties;
        const body = payload.toString('utf8');
        this.context.counters.count(this.deviceId, 'telemetry');
        this.context.telemetry.add({ deviceId: this.deviceId, hub: this.hub.hostName, properties, body });
        this.context.logger.info(
          {
            deviceId: this.deviceId,
            properties: Object.fromEntries(properties),
            body: body.slice(0, SHOWN_BODY),
          },
          'telemetry',
        );
        break;
      }
      case 'twinGet': {
        const twin = this.hub.devices.get(this.deviceId)?.twin;
        if (twin !== undefined) this.#answer(200, parsed.requestId, deviceView(twin));
        break;
      }
      case 'twinPatch':
        await this.#patchReported(parsed.requestId, payload);
        break;
      case 'methodAnswer':
        this.#methods.answered(parsed.requestId, parsed.status, payload);
        break;
    }
    return true;
  }

  acknowledged(packetId: number): void {
    const messageId = this.#inFlight.get(packetId);
    this.#inFlight.delete(packetId);
    if (messageId !== undefined) this.#forget(messageId);
  }

  desiredChanged(patch: Record<string, unknown>, version: number): void {
    if (!this.takesDesired) return;
    this.#send(desiredTopic(version), { ...patch, $version: version });
  }

  async invoke(method: string, payload: unknown, timeoutMs: number): Promise<MethodAnswer> {
    if (!this.takesMethods) {
      throw new TpeError('EMU_DEVICE_NOT_CONNECTED', { deviceId: this.deviceId });
    }
    return await this.#methods.call(timeoutMs, (requestId) => {
      this.#send(methodTopic(method, requestId), payload ?? null);
    });
  }

  deliver(): void {
    const qos = this.#subscriptions.get(subscriptionOf.cloudMessages(this.deviceId));
    const messages = this.hub.devices.get(this.deviceId)?.messages ?? [];
    if (qos === undefined) return;
    const onTheirWay = new Set(this.#inFlight.values());
    for (const message of messages.filter((m) => !onTheirWay.has(m.messageId))) this.#deliver(message, qos);
  }

  #deliver(message: CloudMessage, qos: 0 | 1): void {
    if (
      message.expiryTimeUtc !== undefined &&
      Date.parse(message.expiryTimeUtc) <= this.context.clock.now()
    ) {
      this.#forget(message.messageId);
      return;
    }
    const packetId = qos === 0 ? undefined : this.#nextPacketId();
    if (packetId === undefined) this.#forget(message.messageId);
    else this.#inFlight.set(packetId, message.messageId);
    this.connection.send({
      cmd: 'publish',
      topic: cloudMessageTopic(this.deviceId, message.properties),
      payload: Buffer.from(message.body, 'base64'),
      qos,
      dup: false,
      retain: false,
      ...(packetId === undefined ? {} : { messageId: packetId }),
    });
  }

  #forget(messageId: string): void {
    this.#save((record) => ({
      ...record,
      messages: record.messages.filter((message) => message.messageId !== messageId),
    }));
  }

  async #patchReported(requestId: string, payload: Buffer): Promise<void> {
    let patch: unknown;
    try {
      patch = JSON.parse(payload.toString('utf8'));
    } catch (error) {
      this.#answer(400, requestId, { errorCode: 400, message: reasonOf(error) });
      return;
    }
    if (!isObject(patch)) {
      this.#answer(400, requestId, { errorCode: 400, message: 'The patch is not an object.' });
      return;
    }
    const change = patch;
    try {
      const record = await this.hub.update(this.deviceId, (before) => ({
        ...before,
        twin: patchReported(before.twin, change),
      }));
      if (record === undefined) return;
      this.context.counters.count(this.deviceId, 'reportedPatches');
      this.context.logger.info({ deviceId: this.deviceId, reported: change }, 'twin changed');
      this.#answer(204, requestId, undefined, record.twin.reportedVersion);
    } catch (error) {
      if (!isTpeError(error, 'EMU_REFUSED')) throw error;
      this.#answer(400, requestId, { errorCode: 400, message: error.message });
    }
  }

  #answer(status: number, requestId: string, body?: Record<string, unknown>, version?: number): void {
    if (!this.#subscriptions.has(subscriptionOf.twinAnswers)) return;
    this.#send(twinAnswerTopic(status, requestId, version), body);
  }

  #send(topic: string, body?: unknown): void {
    this.connection.send({
      cmd: 'publish',
      topic,
      payload: body === undefined ? '' : JSON.stringify(body),
      qos: 0,
      dup: false,
      retain: false,
    });
  }

  #nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 0xffff) + 1;
    while (this.#inFlight.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  #keepSubscriptions(): void {
    const subscriptions = this.clean ? [] : [...this.#subscriptions];
    const before = this.hub.devices.get(this.deviceId)?.subscriptions ?? [];
    if (JSON.stringify(before) === JSON.stringify(subscriptions)) return;
    this.#save((record) => ({ ...record, subscriptions }));
  }

  #touch(): void {
    this.hub.touched(this.deviceId);
  }

  /** For changes that nobody waits for. */
  #save(change: Parameters<Hub['update']>[1]): void {
    this.hub.update(this.deviceId, change).catch((error: unknown) => {
      this.context.logger.error({ deviceId: this.deviceId, reason: reasonOf(error) }, 'state not saved');
    });
  }
}
