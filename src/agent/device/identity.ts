import { createHash } from 'node:crypto';
import { TpeError } from '../../common/errors/tpe-error';
import { version } from '../../common/version';
import {
  type DeviceFacts,
  FACTS_FILE,
  readFactsFile,
  readPlatformTables,
  readUbootEnvironment,
} from './identity-sources';
import { firstMac, normalizeMac } from './interfaces';
import type { DeviceIdentity } from './types';

/** Section `device` of the settings. */
export interface IdentityOverrides {
  readonly serialNumber?: string | undefined;
  readonly modelName?: string | undefined;
  readonly macAddress?: string | undefined;
  readonly firmwareVersion?: string | undefined;
}

/** Where the answers come from; a seam for tests. */
export interface IdentitySources {
  readonly facts: readonly (() => Promise<DeviceFacts>)[];
  readonly mac: () => string | undefined;
}

const systemSources: IdentitySources = {
  facts: [() => readFactsFile(FACTS_FILE), readUbootEnvironment, () => readPlatformTables()],
  mac: () => firstMac(),
};

const LONGEST_NAME = 64;
const UNKNOWN_MODEL = 'Unknown';

/** Printable ASCII, at most 64 characters: what the discovery answer can carry. */
function printable(text: string, pattern: RegExp): string {
  return text.replace(pattern, '').trim().slice(0, LONGEST_NAME);
}

/** Serial numbers are not unique in the field (unset ones repeat), so the MAC goes into the id. */
function deviceIdOf(serialNumber: string, mac: string): string {
  return createHash('sha256').update(`${serialNumber}\0${mac}`).digest('hex').slice(0, 32);
}

/**
 * Who this gateway is: a configured override wins, then the root-owned facts file, the U-Boot environment, and the
 * device tree or DMI. Later sources are asked only for what is still missing. Without any serial number the MAC
 * address stands in for it.
 * @throws DEVICE_MAC_UNKNOWN when no interface has a MAC address and none is configured.
 */
export async function readDeviceIdentity(
  overrides: IdentityOverrides,
  sources: IdentitySources = systemSources,
): Promise<DeviceIdentity> {
  let facts: DeviceFacts = Object.fromEntries(
    Object.entries(overrides).filter(([, value]) => value !== undefined),
  );
  for (const source of sources.facts) {
    if (facts.serialNumber !== undefined && facts.modelName !== undefined) break;
    facts = { ...(await source()), ...facts };
  }
  const mac = normalizeMac(facts.macAddress) ?? sources.mac();
  if (mac === undefined) throw new TpeError('DEVICE_MAC_UNKNOWN');
  const serialNumber = printable(facts.serialNumber ?? '', /[^\x21-\x7e]/g) || mac.toUpperCase();
  return {
    serialNumber,
    modelName: printable(facts.modelName ?? '', /[^\x20-\x7e]/g) || UNKNOWN_MODEL,
    mac,
    firmwareVersion: printable(facts.firmwareVersion ?? version, /[^\x20-\x7e]/g),
    deviceId: deviceIdOf(serialNumber, mac),
  };
}
