import { parseArgs } from 'node:util';
import { reasonOf } from '../common/errors/tpe-error';
import { version } from '../common/version';
import { DEFAULT_SETTINGS_PATH } from './config/settings';

const HELP = `Usage: tpe-agent [--config FILE]

Provisioning agent of a ThingsPro Edge gateway: discovery, REST API, DPS with TPM attestation, IoT Hub.

Options:
  --config FILE  settings file (default: ${DEFAULT_SETTINGS_PATH})
  --version      print the version
  --help         print this

Runs in the foreground and logs JSON lines to stdout. SIGTERM ends it, SIGHUP reloads the settings file.
See tpe-agentctl for status, check, factory init and factory reset.
`;

/** What to do: run with this settings file, or print and end with this code. */
export type Invocation =
  | { readonly run: true; readonly config: string }
  | { readonly run: false; readonly stdout?: string; readonly stderr?: string; readonly code: number };

/**
 * The daemon's three options. Parsed by Node.js itself: the library that the other programs use costs the daemon a
 * tenth of its start.
 */
export function parseArguments(args: readonly string[]): Invocation {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', default: DEFAULT_SETTINGS_PATH },
        version: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return { run: false, stdout: HELP, code: 0 };
    if (values.version) return { run: false, stdout: `${version}\n`, code: 0 };
    return { run: true, config: values.config };
  } catch (error) {
    return { run: false, stderr: `tpe-agent: ${reasonOf(error)}\n\n${HELP}`, code: 2 };
  }
}
