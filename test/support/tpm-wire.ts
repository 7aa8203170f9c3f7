import { connect } from 'node:net';

/** TPM 2.0 Part 2: TPM_ST, TPM_CC, TPM_CAP and the first handle of each range that the tests look at. */
const TPM_ST_NO_SESSIONS = 0x8001;
const TPM_CC_GET_CAPABILITY = 0x17a;
const TPM_CAP_HANDLES = 1;
export const TRANSIENT_FIRST = 0x80000000;
export const PERSISTENT_FIRST = 0x81000000;
export const LOADED_SESSION_FIRST = 0x02000000;
export const SAVED_SESSION_FIRST = 0x03000000;

/** Sends one raw TPM command to the TPM on a socket in the file system and resolves with its whole answer. */
export async function rawCommand(path: string, command: Uint8Array, timeoutMs = 10_000): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    const socket = connect(path);
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`the TPM on ${path} is silent`)));
    socket.once('connect', () => socket.write(command));
    socket.on('data', (part) => {
      answer = Buffer.concat([answer, part]);
      if (answer.length >= 10 && answer.length >= answer.readUInt32BE(2)) {
        socket.end();
        resolve(answer);
      }
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`the TPM on ${path} hung up after ${answer.length} bytes`)));
  });
}

/** A command without sessions: header, then `parameters` as they are. */
export function command(code: number, parameters: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(10);
  header.writeUInt16BE(TPM_ST_NO_SESSIONS, 0);
  header.writeUInt32BE(10 + parameters.length, 2);
  header.writeUInt32BE(code, 6);
  return Buffer.concat([header, parameters]);
}

/** All handles of the range that starts at `first` (TPM2_GetCapability, TPM_CAP_HANDLES). */
export async function handlesFrom(path: string, first: number): Promise<number[]> {
  const parameters = Buffer.alloc(12);
  parameters.writeUInt32BE(TPM_CAP_HANDLES, 0);
  parameters.writeUInt32BE(first, 4);
  parameters.writeUInt32BE(254, 8);
  const answer = await rawCommand(path, command(TPM_CC_GET_CAPABILITY, parameters));
  const code = answer.readUInt32BE(6);
  if (code !== 0) throw new Error(`TPM2_GetCapability answered 0x${code.toString(16)}`);
  const count = answer.readUInt32BE(15);
  return Array.from({ length: count }, (_, i) => answer.readUInt32BE(19 + 4 * i));
}

/** TPM 2.0 Part 2, 6.5.2: commands that the tests send by themselves. */
export const TPM2_CC = {
  Clear: 0x126,
  HierarchyChangeAuth: 0x129,
  NV_DefineSpace: 0x12a,
  DictionaryAttackParameters: 0x13a,
} as const;

/** Authorization area with one password session. */
export function authPassword(password: Uint8Array = Buffer.alloc(0)): Buffer {
  const area = Buffer.alloc(13 + password.length);
  area.writeUInt32BE(9 + password.length, 0);
  area.writeUInt32BE(0x40000009, 4);
  area.writeUInt16BE(password.length, 11);
  Buffer.from(password).copy(area, 13);
  return area;
}

/** A command on one hierarchy handle, authorized by `authorization`. */
export function hierarchyCommand(
  code: number,
  handle: number,
  authorization: Uint8Array,
  parameters: Uint8Array = Buffer.alloc(0),
): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(handle, 0);
  const whole = command(code, Buffer.concat([body, authorization, parameters]));
  whole.writeUInt16BE(0x8002, 0);
  return whole;
}

/** Permanent handles (TPM 2.0 Part 2, 7.4). */
export const RH = { owner: 0x40000001, lockout: 0x4000000a, endorsement: 0x4000000b } as const;
