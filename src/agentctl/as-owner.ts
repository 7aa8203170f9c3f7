import { readFile, stat } from 'node:fs/promises';
import { systemAddon } from '../agent/system/native';
import { TpeError } from '../common/errors/tpe-error';

/** Supplementary groups of a user, from /etc/group. */
async function groupsOf(userName: string): Promise<number[]> {
  const text = await readFile('/etc/group', 'utf8').catch(() => '');
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([, , , members]) => members?.split(',').includes(userName) === true)
    .map(([, , id]) => Number(id));
}

async function nameOf(uid: number): Promise<string | undefined> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return text
    .split('\n')
    .find((line) => line.split(':')[2] === String(uid))
    ?.split(':')[0];
}

/**
 * Runs work on a folder as the user who owns it, so that root leaves no file behind that the service cannot read, and
 * touches the TPM with no more rights than the service has. Does nothing for anybody but root.
 * @throws IO_URING_ENABLED, SYSTEM_ADDON_MISSING and what the work throws
 */
export async function asOwnerOf<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const owner = await stat(folder).catch(() => undefined);
  // A folder that is not there has no owner; the work itself then says what is wrong with it.
  if (owner === undefined || owner.uid === 0 || process.geteuid?.() !== 0) return work();
  // libuv's rings keep the rights that they were opened with (CVE-2024-22017).
  const ring = process.env.UV_USE_IO_URING ?? '0';
  if ((Number.parseInt(ring, 10) || 0) !== 0) throw new TpeError('IO_URING_ENABLED', { value: ring });
  const name = await nameOf(owner.uid);
  const groups = name === undefined ? [] : await groupsOf(name);
  const before = { groups: process.getgroups?.() ?? [], gid: process.getegid?.() ?? 0 };
  const addon = systemAddon();
  try {
    addon.actAs(owner.uid, owner.gid, groups);
    return await work();
  } finally {
    addon.actAs(0, before.gid, before.groups);
  }
}
