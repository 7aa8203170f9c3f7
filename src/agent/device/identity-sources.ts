import { execFile } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Type } from '@sinclair/typebox';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';

/** What a source may know. */
export interface DeviceFacts {
  serialNumber?: string;
  modelName?: string;
  macAddress?: string;
  firmwareVersion?: string;
}

/**
 * Written by the root oneshot tpe-device-facts.service from the U-Boot environment, which the agent's user may not
 * read.
 */
export const FACTS_FILE = '/run/tpe-device/facts.json';

const Facts = Type.Object({
  serialNumber: Type.Optional(Type.String({ maxLength: 256 })),
  modelName: Type.Optional(Type.String({ maxLength: 256 })),
  macAddress: Type.Optional(Type.String({ maxLength: 64 })),
  firmwareVersion: Type.Optional(Type.String({ maxLength: 256 })),
});

/** Firmware vendors' words for "nobody filled this in". */
const PLACEHOLDERS =
  /^(|0+|none|unknown|n\/?a|default string|not (specified|available|applicable)|to be filled by o\.?e\.?m\.?|system (serial number|product name|version)|chassis serial number)$/i;

function meaningful(text: string | undefined): string | undefined {
  // The device tree ends its strings with NUL.
  const clean = text?.replace(/\0/g, '').trim();
  return clean === undefined || PLACEHOLDERS.test(clean) ? undefined : clean;
}

function pick(facts: DeviceFacts): DeviceFacts {
  const entries = Object.entries(facts).map(([key, value]: [string, string | undefined]) => [
    key,
    meaningful(value),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as DeviceFacts;
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TpeError(
      'VALUE_INVALID',
      { what: path, place: '/', reason: reasonOf(error) },
      { cause: error },
    );
  }
}

/**
 * The facts file, believed only when root owns it and nobody else may write it.
 * @returns no facts when it is absent.
 * @throws VALUE_INVALID when it is there and is not what it should be.
 */
export async function readFactsFile(path: string, ownerUid = 0): Promise<DeviceFacts> {
  let text: string;
  try {
    const handle = await open(path, 'r');
    try {
      const stat = await handle.stat();
      if (stat.uid !== ownerUid || (stat.mode & 0o022) !== 0 || stat.size > 65_536) return {};
      text = await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return {};
    throw error;
  }
  return pick(validate(Facts, parsed(text, path), path));
}

const run = promisify(execFile);
const FW_PRINTENV_TIMEOUT_MS = 2000;

/** One variable of the U-Boot environment; `undefined` where fw_printenv, its configuration or the variable is missing. */
async function firmwareVariable(name: string): Promise<string | undefined> {
  try {
    const { stdout } = await run('fw_printenv', ['-n', name], {
      timeout: FW_PRINTENV_TIMEOUT_MS,
      maxBuffer: 65_536,
    });
    return stdout;
  } catch {
    // No U-Boot (every PC), no permission, no such variable: the next source of the chain is asked.
    return undefined;
  }
}

/** The names that Moxa's U-Boot uses. Asked one after the other: most machines stop at the first. */
export async function readUbootEnvironment(): Promise<DeviceFacts> {
  const serialNumber = await firmwareVariable('serialnumber');
  if (serialNumber === undefined) return {};
  const [modelName, macAddress] = await Promise.all([
    firmwareVariable('modelname'),
    firmwareVariable('ethaddr'),
  ]);
  return pick({
    serialNumber,
    ...(modelName === undefined ? {} : { modelName }),
    ...(macAddress === undefined ? {} : { macAddress }),
  });
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // DMI serial numbers are root's alone on many systems, device trees exist on ARM only: both are "not known".
    return undefined;
  }
}

/** Device tree (ARM) and DMI (PCs), in this order. */
export async function readPlatformTables(root = '/'): Promise<DeviceFacts> {
  const [treeSerial, treeModel, dmiSerial, dmiModel, biosVersion] = await Promise.all(
    [
      'proc/device-tree/serial-number',
      'proc/device-tree/model',
      'sys/class/dmi/id/product_serial',
      'sys/class/dmi/id/product_name',
      'sys/class/dmi/id/bios_version',
    ].map((path) => readOptional(join(root, path))),
  );
  const serialNumber = meaningful(treeSerial) ?? meaningful(dmiSerial);
  const modelName = meaningful(treeModel) ?? meaningful(dmiModel);
  return pick({
    ...(serialNumber === undefined ? {} : { serialNumber }),
    ...(modelName === undefined ? {} : { modelName }),
    ...(biosVersion === undefined ? {} : { firmwareVersion: biosVersion }),
  });
}
