import type { Socket } from 'node:net';

/**
 * Reads one line from a socket.
 * @returns the line without its end; `undefined` when the peer closed before one was complete or when it is too long.
 */
export function readLine(socket: Socket, limitBytes: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (finish: () => void): void => {
      socket.off('data', onData).off('error', onError).off('close', onClose).off('end', onClose);
      finish();
    };
    const onError = (error: Error): void => settle(() => reject(error));
    const onClose = (): void => settle(() => resolve(undefined));
    const onData = (chunk: Buffer): void => {
      const end = chunk.indexOf(0x0a);
      const part = end < 0 ? chunk : chunk.subarray(0, end);
      size += part.length;
      if (size > limitBytes) {
        settle(() => resolve(undefined));
        return;
      }
      chunks.push(part);
      if (end >= 0) settle(() => resolve(Buffer.concat(chunks).toString('utf8')));
    };
    socket.on('data', onData).on('error', onError).on('close', onClose).on('end', onClose);
  });
}
