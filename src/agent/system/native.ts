import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';

/** What native/system offers. Failures carry `errno`, negative as in Node.js. */
interface SystemAddon {
  sendDatagram(path: string, payload: string): void;
  tryLock(descriptor: number): boolean;
  peerUid(descriptor: number): number;
  /** Effective user and group and the supplementary groups of all threads; for root's processes only. */
  actAs(uid: number, gid: number, groups: readonly number[]): void;
  /** malloc_trim(3); takes about a millisecond. Never fails. */
  giveBackFree(): void;
  /** A UDP socket that sees one interface only; the descriptor is the caller's. `family` is 4 or 6. */
  openUdpSocket(interfaceName: string, family: number, port: number): number;
}

const FILE = 'tpe_system.node';

let addon: SystemAddon | undefined;

/** The addon beside the bundle, or in dist/ when this runs from source. */
function load(): SystemAddon {
  const places = [join(__dirname, FILE), join(__dirname, '../../../dist', FILE)];
  const path = places.find((place) => existsSync(place)) ?? join(__dirname, FILE);
  try {
    return createRequire(__filename)(path) as SystemAddon;
  } catch (error) {
    throw new TpeError('SYSTEM_ADDON_MISSING', { path, reason: reasonOf(error) }, { cause: error });
  }
}

/** @throws SYSTEM_ADDON_MISSING */
export function systemAddon(): SystemAddon {
  addon ??= load();
  return addon;
}

/** The errno's name of a failure of the addon, e.g. `ECONNREFUSED`; `undefined` for any other error. */
export function errnoName(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return undefined;
  return typeof error.errno === 'number' && error.errno < 0 ? getSystemErrorName(error.errno) : undefined;
}
