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

/** Sockets on which the agent may listen, the most likely first. */
export function controlSockets(settings: Settings): string[] {
  const inState = join(settings.paths.state, 'run', CONTROL_SOCKET);
  const configured = join(settings.paths.runtime, CONTROL_SOCKET);
  if (configured !== inState) return [configured];
  return settings.paths.state === '/var/lib/tpe-agent'
    ? [join(SERVICE_RUNTIME, CONTROL_SOCKET), inState]
    : [inState];
}

/**
 * Asks the running agent, and works on the locked state where none runs.
 * @returns the value, and whether an agent gave it.
 */
export async function ask<S extends TSchema>(
  session: Session,
  schema: S,
  verb: ControlVerb,
  args: Readonly<Record<string, unknown>>,
  offline: (dependencies: FactoryInitDependencies) => Promise<Static<S>>,
): Promise<{ value: Static<S>; running: boolean }> {
  for (const path of controlSockets(session.settings)) {
    const answer = await callAgent(path, verb, args);
    if (answer === undefined) continue;
    try {
      return { value: validate(schema, answer.data, `the answer to ${verb}`), running: true };
    } catch (error) {
      throw new TpeError('CONTROL_ANSWER_INVALID', { path, reason: reasonOf(error) }, { cause: error });
    }
  }
  const value = await withLockedState(session.settings, session.authFiles, offline);
  return { value, running: false };
}
