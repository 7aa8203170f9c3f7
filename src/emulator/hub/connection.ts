import type { Duplex } from 'node:stream';
import { type IPublishPacket, type Packet, generate, parser } from 'mqtt-packet';
import type { Timer } from '../../common/clock';
import { systemClock } from '../../common/clock';
import { reasonOf } from '../../common/errors/tpe-error';
import { type Verdict, Connack, authenticate } from './authenticate';
import { DeviceSession } from './device-session';
import type { HubContext, ManagedConnection } from './hub-context';

/** IoT Hub's limit on a message, and what topic and header may add. */
export const LARGEST_MESSAGE_BYTES = 256 * 1024;
export const LARGEST_PACKET_BYTES = LARGEST_MESSAGE_BYTES + 16 * 1024;
/** A device that does not read is dropped before it eats the memory. */
const LARGEST_BACKLOG_BYTES = 4 * 1024 * 1024;
/** First byte of CONNECT (MQTT 3.1.1, 3.1.1). */
const CONNECT_HEADER = 0x10;
const CONNECT_TIMEOUT_MS = 30_000;
/** IoT Hub's longest keep-alive (29 min 27 s); a longer one counts as this. */
const LONGEST_KEEP_ALIVE_SECONDS = 1767;

/**
 * One MQTT 3.1.1 connection: packets, keep-alive, limits and the life of the token. What the packets mean to a device
 * is the session's business.
 */
export class HubConnection implements ManagedConnection {
  readonly #parser = parser({ protocolVersion: 4 });
  #session: DeviceSession | undefined;
  #connectTimer: Timer;
  #keepAlive: Timer | undefined;
  #keepAliveMs = 0;
  #expiry: Timer | undefined;
  #expirySeconds = 0;
  /** The first byte came in. */
  #begun = false;
  #connecting = false;
  #closed = false;

  constructor(
    private readonly stream: Duplex,
    private readonly context: HubContext,
  ) {
    this.#connectTimer = systemClock.after(CONNECT_TIMEOUT_MS, () => this.close('no CONNECT within 30 s'));
    this.#parser.on('packet', (packet) => this.#packet(packet));
    this.#parser.on('error', (error) => this.close(`not MQTT: ${reasonOf(error)}`));
    stream.on('data', (chunk: Buffer) => this.#data(chunk));
    stream.on('error', (error) => this.close(reasonOf(error)));
    stream.on('close', () => this.close('the device closed the connection'));
  }

  send(packet: Packet): void {
    if (this.#closed || !this.stream.writable) return;
    this.stream.write(generate(packet));
    if (this.stream.writableLength > LARGEST_BACKLOG_BYTES) this.close('the device does not read');
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connectTimer.cancel();
    this.#keepAlive?.cancel();
    this.#expiry?.cancel();
    this.#session?.ended(reason);
    this.stream.destroy();
    this.context.connections.delete(this);
  }

  clockMoved(): void {
    if (this.#closed || this.#session === undefined) return;
    this.#expiry?.cancel();
    const leftMs = this.#expirySeconds * 1000 - this.context.clock.now();
    this.#expiry = systemClock.after(leftMs, () => this.close('the token expired'));
  }

  #data(chunk: Buffer): void {
    if (this.#closed) return;
    if (!this.#begun && chunk[0] !== CONNECT_HEADER) {
      this.close('not MQTT');
      return;
    }
    this.#begun = true;
    const waiting = this.#parser.parse(chunk);
    if (waiting > LARGEST_PACKET_BYTES) this.close('a packet larger than 256 KiB');
  }

  #packet(packet: Packet): void {
    if (this.#closed) return;
    if (packet.cmd === 'connect') {
      this.#connect(packet);
      return;
    }
    if (this.#session === undefined) {
      // Packets right behind CONNECT wait for nothing here: a client has to wait for CONNACK to know its rights.
      if (!this.#connecting) this.close(`${packet.cmd} before CONNECT`);
      return;
    }
    this.#armKeepAlive();
    switch (packet.cmd) {
      case 'pingreq':
        this.send({ cmd: 'pingresp' });
        break;
      case 'disconnect':
        this.close('DISCONNECT');
        break;
      case 'publish':
        this.#publish(packet, this.#session);
        break;
      case 'subscribe':
        this.send({
          cmd: 'suback',
          messageId: packet.messageId ?? 0,
          granted: packet.subscriptions.map(({ topic, qos }) => this.#session?.subscribe(topic, qos) ?? 0x80),
        });
        this.#session.subscribed();
        break;
      case 'unsubscribe':
        this.#session.unsubscribe(packet.unsubscriptions);
        this.send({ cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [] });
        break;
      case 'puback':
        this.#session.acknowledged(packet.messageId ?? 0);
        break;
      case 'auth':
      case 'connack':
      case 'pingresp':
      case 'pubcomp':
      case 'pubrec':
      case 'pubrel':
      case 'suback':
      case 'unsuback':
        this.close(`${packet.cmd} is not for a hub`);
    }
  }

  #publish(packet: IPublishPacket, session: DeviceSession): void {
    if (packet.qos === 2) {
      this.close('QoS 2');
      return;
    }
    const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload);
    if (payload.length > LARGEST_MESSAGE_BYTES) {
      this.close('a message larger than 256 KiB');
      return;
    }
    session.published(packet.topic, payload, packet.retain).then(
      (taken) => {
        if (taken && packet.qos === 1) this.send({ cmd: 'puback', messageId: packet.messageId ?? 0 });
      },
      (error: unknown) => this.close(reasonOf(error)),
    );
  }

  #connect(packet: Packet & { cmd: 'connect' }): void {
    if (this.#session !== undefined || this.#connecting) {
      this.close('a second CONNECT');
      return;
    }
    this.#connecting = true;
    this.#connectTimer.cancel();
    if (packet.protocolVersion !== 4) {
      this.#refuse(Connack.badProtocol, packet.clientId, `MQTT version ${packet.protocolVersion ?? '?'}`);
      return;
    }
    const { faults, counters } = this.context;
    const fault = faults.take('hub-connect', packet.clientId);
    counters.count(packet.clientId, 'hubConnects');
    const verdict: Verdict =
      fault?.type === 'connack'
        ? { accepted: false, code: fault.code, reason: 'fault' }
        : authenticate(this.context.hubs, this.context.clock, {
            clientId: packet.clientId,
            userName: packet.username,
            password: packet.password?.toString('utf8'),
          });
    if (fault?.type === 'drop') {
      this.close('fault: drop');
      return;
    }
    if (fault?.type === 'garbage') {
      this.stream.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
      return;
    }
    if (fault?.type === 'silence') return;
    const delayMs = fault?.type === 'delay' ? fault.delayMs : 0;
    systemClock.after(delayMs, () => this.#decide(verdict, packet));
  }

  #decide(verdict: Verdict, packet: Packet & { cmd: 'connect' }): void {
    if (this.#closed) return;
    if (!verdict.accepted) {
      this.#refuse(verdict.code, packet.clientId, verdict.reason);
      return;
    }
    const clean = packet.clean ?? true;
    const session = new DeviceSession(
      this,
      this.context,
      verdict.hub,
      verdict.deviceId,
      clean,
      verdict.tokenSignature,
    );
    this.#session = session;
    this.#keepAliveMs = Math.min(packet.keepalive ?? 0, LONGEST_KEEP_ALIVE_SECONDS) * 1500;
    this.#armKeepAlive();
    this.#expirySeconds = verdict.expirySeconds;
    this.clockMoved();
    this.send({ cmd: 'connack', returnCode: Connack.accepted, sessionPresent: session.present });
    session.begin();
  }

  #refuse(code: number, clientId: string, reason: string): void {
    this.context.counters.count(clientId, 'hubRefusals');
    this.context.logger.info({ deviceId: clientId, code, reason }, 'connection refused');
    this.send({ cmd: 'connack', returnCode: code, sessionPresent: false });
    this.stream.end();
  }

  #armKeepAlive(): void {
    this.#keepAlive?.cancel();
    if (this.#keepAliveMs === 0) return;
    this.#keepAlive = systemClock.after(this.#keepAliveMs, () => this.close('keep-alive'));
  }
}
