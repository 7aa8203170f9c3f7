import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { readFile, readdir, stat, statfs } from 'node:fs/promises';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { listInterfaces } from '../agent/device/interfaces';
import { reasonOf } from '../common/errors/tpe-error';
import type { FileFacts, Machine } from './checks/types';

const PROGRAM_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024;
/** The end of a longer output counts: there are the newest lines of a log. */
const KEPT_OUTPUT = 4 * 1024 * 1024;

/** The value, or `undefined` when the file system has none to give: absence is what the checks ask about. */
async function optional<T>(reading: Promise<T>): Promise<T | undefined> {
  return reading.catch(() => undefined);
}

function run(
  program: string,
  args: readonly string[],
): Promise<{ status: number; output: string } | undefined> {
  return new Promise((resolve) => {
    const options = {
      timeout: PROGRAM_TIMEOUT_MS,
      maxBuffer: MOST_OUTPUT_BYTES,
      env: { ...process.env, LC_ALL: 'C' },
    };
    execFile(program, args, options, (error, stdout) => {
      if (error?.code === 'ENOENT') resolve(undefined);
      else
        resolve({
          status: error === null ? 0 : typeof error.code === 'number' ? error.code : 1,
          output: stdout.slice(-KEPT_OUTPUT),
        });
    });
  });
}

async function fileFacts(path: string): Promise<FileFacts | undefined> {
  const found = await optional(stat(path));
  if (found === undefined) return undefined;
  const kind = found.isFile()
    ? 'file'
    : found.isDirectory()
      ? 'folder'
      : found.isCharacterDevice()
        ? 'device'
        : found.isSocket()
          ? 'socket'
          : 'other';
  return { uid: found.uid, gid: found.gid, mode: found.mode & 0o7777, kind };
}

async function userId(name: string): Promise<number | undefined> {
  const users = (await optional(readFile('/etc/passwd', 'utf8'))) ?? '';
  const line = users.split('\n').find((row) => row.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(':')[2]);
}

function connect(
  host: string,
  port: number,
  tls?: { readonly ca?: string; readonly anyKey?: boolean },
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const secure = {
      host,
      port,
      // SNI carries names only (RFC 6066, section 3).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: tls?.anyKey !== true,
      ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    };
    const socket = tls === undefined ? connectTcp(port, host) : connectTls(secure);
    const done = (problem: string | undefined): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => done(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`));
    socket.once('error', (error) => done(reasonOf(error)));
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => done(undefined));
  });
}

/** The machine this runs on. */
export const thisMachine: Machine = {
  run,
  stat: fileFacts,
  read: (path) => optional(readFile(path, 'utf8')),
  freeBytes: async (path) => {
    const found = await optional(statfs(path));
    return found === undefined ? undefined : found.bavail * found.bsize;
  },
  userId,
  resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  connect,
  listFiles: async (folder) => (await optional(readdir(folder))) ?? [],
  now: () => Date.now(),
  interfaces: listInterfaces,
};
