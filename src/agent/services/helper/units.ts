import { type Static, Type } from '@sinclair/typebox';
import type { Runner } from './runner';

/** What decides whether a unit comes up: masked is the strongest. */
const Start = Type.Union([Type.Literal('enabled'), Type.Literal('disabled'), Type.Literal('masked')]);

/** What somebody who puts a unit back has to know of it. */
export const FoundUnit = Type.Object({ active: Type.Boolean(), start: Start });
export type FoundUnit = Static<typeof FoundUnit>;

export interface UnitState extends FoundUnit {
  /** Of an alias the real name, which is the one that can be masked and has drop-ins. */
  readonly id: string;
  readonly installed: boolean;
  /** Paths, as systemd has read them. */
  readonly dropIns: string;
}

/** A unit of an old-style script, or without [Install], has neither state: it counts as it runs. */
function startOf(file: string | undefined, active: boolean): Static<typeof Start> {
  if (file === 'enabled' || file === 'disabled' || file === 'masked') return file;
  return active ? 'enabled' : 'disabled';
}

function keyAndValue(line: string): [string, string] {
  const end = line.indexOf('=');
  return [line.slice(0, end), line.slice(end + 1)];
}

/** What systemd says of the units, in their order. */
export async function unitStates(run: Runner, units: readonly string[]): Promise<UnitState[]> {
  const properties = '--property=Id,LoadState,ActiveState,UnitFileState,DropInPaths';
  const text = await run('systemctl', ['show', properties, ...units]);
  return text
    .trim()
    .split('\n\n')
    .map((block, i) => {
      const facts = new Map(block.split('\n').map(keyAndValue));
      const load = facts.get('LoadState');
      const active = ['active', 'activating', 'reloading'].includes(facts.get('ActiveState') ?? '');
      return {
        id: facts.get('Id') ?? units[i] ?? '',
        installed: load === 'loaded' || load === 'masked',
        active,
        start: startOf(facts.get('UnitFileState'), active),
        dropIns: facts.get('DropInPaths') ?? '',
      };
    });
}
