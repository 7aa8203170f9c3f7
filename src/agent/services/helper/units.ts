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
  /** A job for it waits: at boot it is not active yet, but will be. */
  readonly queued: boolean;
  /** Paths, as systemd has read them. */
  readonly dropIns: string;
}

/**
 * How a unit counts as found.
 * @param ran when an older build has switched it already, whose mask is not the administrator's: whether it ran before.
 */
export function foundOf({ active, start, queued }: UnitState, ran: boolean | undefined): FoundUnit {
  if (ran !== undefined) return { active: ran, start: ran ? 'enabled' : 'disabled' };
  // Nothing orders the root helper after the units of the catalogue.
  return { active: active || (start === 'enabled' && queued), start };
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
  const properties = '--property=Id,LoadState,ActiveState,UnitFileState,DropInPaths,Job';
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
        // Without a job the line is empty, or not there at all.
        queued: (facts.get('Job') ?? '') !== '',
        dropIns: facts.get('DropInPaths') ?? '',
      };
    });
}
