import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { ServiceId } from './helper-protocol';
import { SERVICE_GROUPS } from './reference-services';

/** Later folders win, id by id: what an integrator puts into /etc replaces what the package brought. */
export const CATALOGUE_FOLDERS = ['/usr/lib/tpe-agent/services.d', '/etc/tpe-agent/services.d'];

const LARGEST_FILE_BYTES = 64 * 1024;
const LARGEST_CATALOGUE = 128;

/** One service; a `*.toml` file. */
export const CatalogueEntry = Type.Object(
  {
    id: ServiceId,
    group: Type.Union(SERVICE_GROUPS.map((group) => Type.Literal(group))),
    displayName: Type.String({ minLength: 1, maxLength: 64 }),
    description: Type.Optional(Type.String({ maxLength: 512 })),
    /** systemd units, e.g. `ssh.service`; the first one that is installed decides whether the service is available. */
    units: Type.Array(
      Type.String({ pattern: '^[A-Za-z0-9:_.@-]{1,120}\\.(service|socket|timer|target|mount)$' }),
      {
        minItems: 1,
        maxItems: 8,
      },
    ),
    /** Ports that are closed while the service is off, e.g. `tcp/22`. */
    ports: Type.Optional(
      Type.Array(Type.String({ pattern: '^(tcp|udp)/[1-9][0-9]{0,4}$' }), { maxItems: 16 }),
    ),
  },
  { additionalProperties: false },
);
export type CatalogueEntry = Static<typeof CatalogueEntry>;

async function readEntry(path: string, ownerUid: number | undefined): Promise<CatalogueEntry> {
  const handle = await open(path, 'r');
  try {
    const { size, uid, mode } = await handle.stat();
    if (size > LARGEST_FILE_BYTES) throw new Error('the file is too large');
    if (ownerUid !== undefined && (uid !== ownerUid || (mode & 0o022) !== 0)) {
      throw new Error('the file must belong to root and be writable by root only');
    }
    const { parse } = await import('smol-toml');
    return validate(CatalogueEntry, parse(await handle.readFile('utf8')), path);
  } finally {
    await handle.close();
  }
}

/**
 * Reads the catalogue.
 * @param ownerUid who must own the files; `undefined` for a reader that does nothing with root's rights.
 * @returns entries by id; a folder that does not exist has none.
 * @throws CATALOGUE_INVALID
 */
export async function readCatalogue(
  folders: readonly string[] = CATALOGUE_FOLDERS,
  ownerUid?: number,
): Promise<Map<string, CatalogueEntry>> {
  const entries = new Map<string, CatalogueEntry>();
  for (const folder of folders) {
    const names = await readdir(folder).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw new TpeError('CATALOGUE_INVALID', { path: folder, reason: reasonOf(error) }, { cause: error });
    });
    for (const name of names.filter((each) => each.endsWith('.toml')).sort()) {
      const path = join(folder, name);
      try {
        const entry = await readEntry(path, ownerUid);
        if (entries.size < LARGEST_CATALOGUE || entries.has(entry.id)) entries.set(entry.id, entry);
      } catch (error) {
        throw new TpeError('CATALOGUE_INVALID', { path, reason: reasonOf(error) }, { cause: error });
      }
    }
  }
  return entries;
}
