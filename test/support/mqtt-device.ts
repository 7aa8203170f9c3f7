import { type TLSSocket, connect } from 'node:tls';
import { type IConnectPacket, type IPublishPacket, type Packet, generate, parser } from 'mqtt-packet';
import { sasToken } from './azure-client';
import type { EmulatorAddresses } from './emulator';

const WAIT_MS = 10_000;

/** An MQTT client on the level of packets, for what well-behaved clients cannot do. */
export class MqttDevice {
  readonly #socket: TLSSocket;
  readonly #packets: Packet[] = [];
  readonly #parser = parser({ protocolVersion: 4 });
  #wake: () => void = () => undefined;
  #closed = false;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.#parser.on('packet', (packet) => {
      this.#packets.push(packet);
      this.#wake();
    });
    socket.on('data', (chunk: Buffer) => this.#parser.parse(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  static async dial(emulator: EmulatorAddresses): Promise<MqttDevice> {
    const options = { host: 'localhost', port: emulator.hubPort, ca: emulator.ca };
    return await new Promise((resolve, reject) => {
      const socket = connect(options, () => {
        socket.off('error', reject);
        resolve(new MqttDevice(socket));
      });
      socket.once('error', reject);
    });
  }

  /** Dials and sends CONNECT. @returns the CONNACK code; `undefined` when the hub closed without one */
  static async connect(
    emulator: EmulatorAddresses,
    identity: { hub: string; deviceId: string; key: Buffer; expiresInSeconds?: number },
    more: Partial<IConnectPacket> = {},
  ): Promise<{ device: MqttDevice; code: number | undefined }> {
    const device = await MqttDevice.dial(emulator);
    const { hub, deviceId, key, expiresInSeconds } = identity;
    const options = expiresInSeconds === undefined ? {} : { expiresInSeconds };
    device.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      keepalive: 60,
      clientId: deviceId,
      username: `${hub}/${deviceId}/?api-version=2021-04-12`,
      password: Buffer.from(sasToken(`${hub}/devices/${deviceId}`, key, options)),
      ...more,
    });
    const connack = await device.next((packet) => packet.cmd === 'connack');
    return { device, code: connack?.cmd === 'connack' ? connack.returnCode : undefined };
  }

  get closed(): boolean {
    return this.#closed;
  }

  send(packet: Packet): void {
    this.#socket.write(generate(packet));
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  publish(topic: string, payload: string | Buffer, more: Partial<IPublishPacket> = {}): void {
    this.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false, ...more });
  }

  async subscribe(topic: string, qos: 0 | 1 | 2 = 0): Promise<unknown> {
    this.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos }] });
    const suback = await this.next((packet) => packet.cmd === 'suback');
    return suback?.cmd === 'suback' ? suback.granted[0] : undefined;
  }

  /** The first packet that fits, also one that came earlier; `undefined` when the connection ends first. */
  async next(fits: (packet: Packet) => boolean): Promise<Packet | undefined> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const index = this.#packets.findIndex(fits);
      if (index >= 0) return this.#packets.splice(index, 1)[0];
      if (this.#closed) return undefined;
      await this.#activity(deadline);
    }
  }

  /** The first message whose topic starts so. */
  async message(topicStart: string): Promise<{ topic: string; text: string; packet: IPublishPacket }> {
    const packet = await this.next((p) => p.cmd === 'publish' && p.topic.startsWith(topicStart));
    if (packet?.cmd !== 'publish') throw new Error(`the connection ended before a message to ${topicStart}`);
    return { topic: packet.topic, text: packet.payload.toString(), packet };
  }

  /** Resolves when the hub has closed the connection. */
  async whenClosed(): Promise<void> {
    const deadline = Date.now() + WAIT_MS;
    while (!this.#closed) await this.#activity(deadline);
  }

  end(): void {
    this.#socket.destroy();
  }

  async #activity(deadline: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error('the hub is silent')),
        Math.max(0, deadline - Date.now()),
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
