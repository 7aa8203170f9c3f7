import { readFile, stat } from 'node:fs/promises';

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
 */
export async function asOwnerOf<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const owner = await stat(folder).catch(() => undefined);
  // A folder that is not there has no owner; the work itself then says what is wrong with it.
  if (owner === undefined || owner.uid === 0 || process.geteuid?.() !== 0) return work();
  const name = await nameOf(owner.uid);
  const before = { groups: process.getgroups?.() ?? [], gid: process.getegid?.() ?? 0 };
  process.setgroups?.(name === undefined ? [] : await groupsOf(name));
  process.setegid?.(owner.gid);
  process.seteuid?.(owner.uid);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(before.gid);
    process.setgroups?.(before.groups);
  }
}
