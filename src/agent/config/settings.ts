import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Value } from '@sinclair/typebox/value';
import { parse } from 'smol-toml';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { API_PORT } from '../../protocol/api-types';
import { DISCOVERY_PORT } from '../../protocol/discovery';
import { type Settings, type SettingsFile, SettingsSchema } from './settings-schema';

export type { Settings };

export const DEFAULT_SETTINGS_PATH = '/etc/tpe-agent/config.toml';
const DEFAULT_STATE = '/var/lib/tpe-agent';

/** A key is any text between quotes. */
function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Line of `section.key` in the text, 1-based; 1 when it is not written there. */
function lineOf(text: string, pointer: string): number {
  const [section, key] = pointer.split('/').slice(1);
  let inSection = section === undefined;
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    const header = /^\s*\[\s*"?([\w.-]+)"?\s*\]/.exec(line);
    if (header) {
      inSection = header[1] === section;
      if (inSection && key === undefined) return index + 1;
    } else if (inSection && key !== undefined && new RegExp(`^\\s*"?${literally(key)}"?\\s*=`).test(line)) {
      return index + 1;
    } else if (
      section !== undefined &&
      key === undefined &&
      new RegExp(`^\\s*"?${literally(section)}"?\\s*=`).test(line)
    ) {
      return index + 1;
    }
  }
  return 1;
}

function parseToml(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const { line, column } = isPlaced(error) ? error : { line: 1, column: 1 };
    // smol-toml appends a code frame; the first line is the sentence.
    const reason = reasonOf(error).split('\n')[0] ?? '';
    throw new TpeError('SETTINGS_SYNTAX', { path, line, column, reason }, { cause: error });
  }
}

function isPlaced(error: unknown): error is { line: number; column: number } {
  return typeof error === 'object' && error !== null && 'line' in error && 'column' in error;
}

function isProxy(text: string): boolean {
  try {
    const { username, password } = new URL(text);
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

/** What the schema cannot say: the JSON pointer of a value that nothing could be done with, and why. */
function impossible({ azure = {} }: SettingsFile): { path: string; message: string } | undefined {
  const { hubGateway, dpsHosts = [], proxy } = azure;
  const badPort = (place: string): boolean => {
    const port = /:(\d+)$/.exec(place)?.[1];
    return port !== undefined && (Number(port) < 1 || Number(port) > 65_535);
  };
  const message = 'the port is none of 1 to 65535';
  if (hubGateway !== undefined && badPort(hubGateway)) return { path: '/azure/hubGateway', message };
  if (dpsHosts.some(badPort)) return { path: '/azure/dpsHosts', message };
  if (proxy !== undefined && !isProxy(proxy)) {
    return {
      path: '/azure/proxy',
      message: 'need http://[USER:PASSWORD@]HOST:PORT, signs of the password as %XX',
    };
  }
  return undefined;
}

function withDefaults(file: SettingsFile): Settings {
  const state = file.paths?.state ?? DEFAULT_STATE;
  return {
    paths: {
      state,
      runtime: file.paths?.runtime ?? process.env['RUNTIME_DIRECTORY'] ?? join(state, 'run'),
      audit: file.paths?.audit ?? join(state, 'audit'),
    },
    log: { level: (file.log?.level ?? 'info') as Settings['log']['level'] },
    device: file.device ?? {},
    tpm: { ekTemplate: 'tcg', identityKey: 'wrapped', ...file.tpm },
    discovery: { port: DISCOVERY_PORT, ...file.discovery },
    api: { address: '::', port: API_PORT, ...file.api },
    azure: {
      reprovision: 'dynamic',
      dpsHosts: [],
      transport: 'mqtt',
      telemetryPeriodSec: 0,
      ...file.azure,
    },
    // A verb that makes both primary keys has two commands of five minutes at the most (native-tpm.ts, as the kernel's
    // driver), and some short ones: before that the TPM's own time-outs tell what is wrong, and no restart would help.
    // Every step of registering and connecting has a shorter deadline of its own.
    watchdog: { tpmSec: 900, connectionSec: 1800, ...file.watchdog },
  };
}

/**
 * Checks the text of a settings file.
 * @throws SETTINGS_SYNTAX with line and column, SETTINGS_INVALID with line and key.
 */
export function parseSettings(text: string, path: string): Settings {
  const value = parseToml(text, path);
  const fits = Value.Check(SettingsSchema, value);
  const first = fits ? impossible(value) : Value.Errors(SettingsSchema, value).First();
  if (fits && first === undefined) return withDefaults(value);
  const pointer = first?.path ?? '';
  const key = pointer.slice(1).replaceAll('/', '.');
  const unknownKey = first?.message === 'Unexpected property';
  throw new TpeError('SETTINGS_INVALID', {
    path,
    line: lineOf(text, pointer),
    key: key === '' ? '(file)' : key,
    reason: unknownKey ? 'there is no such key' : (first?.message ?? 'does not fit'),
  });
}

/**
 * Where the agent's files lie according to a settings file that has mistakes elsewhere; the defaults where it does not
 * tell. Good for asking a running agent, never for starting one.
 */
export async function usualPaths(path: string): Promise<Settings['paths']> {
  let paths: unknown;
  try {
    ({ paths } = parse(await readFile(path, 'utf8')));
  } catch {
    // Unreadable or no TOML: told by loadSettings, which was tried first.
  }
  const file: unknown = { paths };
  return withDefaults(paths !== undefined && Value.Check(SettingsSchema, file) ? file : {}).paths;
}

/**
 * Reads the settings file. The default file may be missing: then the defaults hold.
 * @throws SETTINGS_UNREADABLE, SETTINGS_SYNTAX, SETTINGS_INVALID.
 */
export async function loadSettings(path: string = DEFAULT_SETTINGS_PATH): Promise<Settings> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && path === DEFAULT_SETTINGS_PATH) return withDefaults({});
    throw new TpeError('SETTINGS_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
  return parseSettings(text, path);
}
