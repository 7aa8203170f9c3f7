import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Swtpm } from './swtpm';

/** A TPM response without sessions that carries `code`. */
export function responseWith(code: number): Buffer {
  const response = Buffer.alloc(10);
  response.writeUInt16BE(0x8001, 0);
  response.writeUInt32BE(10, 2);
  response.writeUInt32BE(code, 6);
  return response;
}

/**
 * What happens to one response: `undefined` passes it on, a buffer takes its place (and the connection is closed after
 * it when it is shorter than its header says), `silent` swallows it, `hangUp` closes instead of answering.
 */
export type Answer = Buffer | 'silent' | 'hangUp' | undefined;

/** Stands between the agent and swtpm, sees every command and may change every response. */
export interface TpmProxy {
  readonly tcti: string;
  /** Command and response bytes as they crossed, in order. */
  readonly recorded: { readonly command: Buffer; readonly response: Buffer }[];
  /** Decides about the response to a command, by its TPM_CC; called with the true response. */
  onResponse: (code: number, response: Buffer) => Answer;
  /** Answers a command without asking the TPM, when it gives anything but `undefined`. */
  onCommand: (code: number) => Answer;
  /** Closes the connections of now, as a bus reset would. */
  dropConnections(): void;
  stop(): Promise<void>;
}

/** Calls `frame` for each TPM structure in the stream, cut by the size in its header. */
function onFrames(socket: Socket, frame: (bytes: Buffer) => void): void {
  let held = Buffer.alloc(0);
  socket.on('data', (part) => {
    held = Buffer.concat([held, part]);
    while (held.length >= 6 && held.length >= held.readUInt32BE(2)) {
      const size = held.readUInt32BE(2);
      frame(held.subarray(0, size));
      held = held.subarray(size);
    }
  });
}

/** Starts a proxy in front of `swtpm`, on two sockets as the swtpm TCTI wants them. */
export async function startTpmProxy(swtpm: Swtpm): Promise<TpmProxy> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    return socket;
  };
  const state: Pick<TpmProxy, 'recorded' | 'onResponse' | 'onCommand'> = {
    recorded: [],
    onResponse: () => undefined,
    onCommand: () => undefined,
  };

  const give = (client: Socket, command: Buffer, answer: Buffer | 'silent' | 'hangUp'): void => {
    if (answer === 'silent') return;
    if (answer === 'hangUp') {
      client.destroy();
      return;
    }
    state.recorded.push({ command, response: answer });
    if (answer.length < 6 || answer.readUInt32BE(2) > answer.length) client.end(answer);
    else client.write(answer);
  };

  const dataServer = createServer((client) => {
    track(client);
    const upstream = track(connect(swtpm.socket));
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    const commands: Buffer[] = [];
    onFrames(client, (command) => {
      const instead = state.onCommand(command.readUInt32BE(6));
      if (instead !== undefined) {
        give(client, command, instead);
        return;
      }
      commands.push(command);
      upstream.write(command);
    });
    onFrames(upstream, (response) => {
      const command = commands.shift() ?? Buffer.alloc(10);
      give(client, command, state.onResponse(command.readUInt32BE(6), response) ?? response);
    });
  });
  const controlServer = createServer((client) => {
    track(client);
    const upstream = track(connect(`${swtpm.socket}.ctrl`));
    client.pipe(upstream).pipe(client);
    client.on('close', () => upstream.destroy());
  });

  const folder = await mkdtemp(join(tmpdir(), 'tpe-proxy-'));
  const path = join(folder, 'socket');
  await Promise.all([
    once(dataServer.listen(path), 'listening'),
    once(controlServer.listen(`${path}.ctrl`), 'listening'),
  ]);
  return Object.assign(state, {
    tcti: `swtpm:path=${path}`,
    dropConnections() {
      for (const socket of sockets) socket.destroy();
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(
        [dataServer, controlServer].map(
          async (server) => await new Promise<void>((resolve) => server.close(() => resolve())),
        ),
      );
      await rm(folder, { recursive: true, force: true });
    },
  });
}
