import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Server, type TLSSocket, createServer } from 'node:tls';
import { type Packet, generate, parser } from 'mqtt-packet';
import { selfSigned } from './certificates';

/** A good method call, to see that the connection still works. */
const PING = {
  cmd: 'publish',
  topic: '$iothub/methods/POST/ping/?$rid=77',
  payload: '{}',
  qos: 0,
  dup: false,
  retain: false,
} as const;

export type Attack = (socket: TLSSocket) => void;

/** A hub that lets everybody in, then sends what the test wants, then a good method call. */
export class HostileHub {
  readonly ca: string;
  attack: Attack;
  attacked = false;
  /** Of the good method call. */
  answers = 0;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor(attack: Attack) {
    const folder = mkdtempSync(join(tmpdir(), 'tpe-hub-'));
    const tls = selfSigned(folder);
    rmSync(folder, { recursive: true, force: true });
    this.ca = tls.cert;
    this.attack = attack;
    this.#server = createServer(tls, (socket) => this.#serve(socket));
  }

  static async start(attack: Attack): Promise<HostileHub> {
    const hub = new HostileHub(attack);
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', () => resolve()));
    return hub;
  }

  /** How a connection dials it. */
  get where(): { gateway: string; ca: string } {
    return { gateway: `localhost:${(this.#server.address() as AddressInfo).port}`, ca: this.ca };
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }

  #serve(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const read = parser();
    const answer = (packet: Packet): void => void socket.write(generate(packet));
    read.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') answer({ cmd: 'connack', returnCode: 0, sessionPresent: false });
      if (packet.cmd === 'disconnect') socket.end();
      if (packet.cmd === 'subscribe') {
        const granted = packet.subscriptions.map(() => 0 as const);
        answer({ cmd: 'suback', messageId: packet.messageId ?? 1, granted });
        this.attack(socket);
        this.attacked = true;
        answer(PING);
      }
      if (packet.cmd === 'publish' && packet.topic.startsWith('$iothub/methods/res/200/')) this.answers += 1;
    });
    socket.on('data', (data: Buffer) => read.parse(data));
  }
}
