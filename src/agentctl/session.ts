import { join } from 'node:path';
import type { Static, TSchema } from '@sinclair/typebox';
import type { Settings } from '../agent/config/settings';
import type { FactoryInitDependencies } from '../agent/local/factory-init';
import { CONTROL_SOCKET, type ControlVerb } from '../agent/system/control-protocol';
import { TpeError, reasonOf } from '../common/errors/tpe-error';
import { validate } from '../common/validate';
import { callAgent } from './control-client';
import { type TpmAuthFiles, withLockedState } from './offline';

/** Where the packaged service has its runtime folder, which only the service itself has in its environment. */
const SERVICE_RUNTIME = '/run/tpe-agent';

/** One call of tpe-agentctl. */
export interface Session {
  readonly settings: Settings;
  readonly settingsPath: string;
  readonly json: boolean;
  readonly authFiles: TpmAuthFiles;
}

/** What a call still knows when the settings file has a mistake: where things lie, by its paths or the default ones. */
export interface FilesWithMistake extends Pick<Session, 'json' | 'settingsPath'> {
  readonly paths: Settings['paths'];
}

/** Sockets on which the agent may listen, the most likely first. */
export function controlSockets(paths: Settings['paths']): string[] {
  const inState = join(paths.state, 'run', CONTROL_SOCKET);
  const configured = join(paths.runtime, CONTROL_SOCKET);
  if (configured !== inState) return [configured];
  return paths.state === '/var/lib/tpe-agent' ? [join(SERVICE_RUNTIME, CONTROL_SOCKET), inState] : [inState];
}

/**
 * Asks the running agent.
 * @returns `undefined` where none runs.
 */
export async function askRunning<S extends TSchema>(
  paths: Settings['paths'],
  schema: S,
  verb: ControlVerb,
  args: Readonly<Record<string, unknown>>,
  timeoutMs?: number,
): Promise<Static<S> | undefined> {
  for (const path of controlSockets(paths)) {
    const answer = await callAgent(path, verb, args, timeoutMs);
    if (answer === undefined) continue;
    try {
      return validate(schema, answer.data, `the answer to ${verb}`);
    } catch (error) {
      throw new TpeError('CONTROL_ANSWER_INVALID', { path, reason: reasonOf(error) }, { cause: error });
    }
  }
  return undefined;
}

/**
 * Asks the running agent, and works on the locked state where none runs.
 * @param timeoutMs how long the agent may take; minutes without it, as making keys does.
 * @returns the value, and whether an agent gave it.
 */
export async function ask<S extends TSchema>(
  session: Session,
  schema: S,
  verb: ControlVerb,
  args: Readonly<Record<string, unknown>>,
  offline: (dependencies: FactoryInitDependencies) => Promise<Static<S>>,
  timeoutMs?: number,
): Promise<{ value: Static<S>; running: boolean }> {
  const answer = await askRunning(session.settings.paths, schema, verb, args, timeoutMs);
  if (answer !== undefined) return { value: answer, running: true };
  const value = await withLockedState(session.settings, session.authFiles, offline);
  return { value, running: false };
}
