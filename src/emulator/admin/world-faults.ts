import { reasonOf } from '../../common/errors/tpe-error';
import type { FaultAction, Faults } from '../faults/faults';
import { type HubContext, setClock } from '../hub/hub-context';
import type { Rearrange } from './rearrange';

async function carryOut(
  action: FaultAction,
  id: string,
  context: HubContext,
  rearrange: Rearrange,
): Promise<void> {
  if (action.type === 'clockOffset') setClock(context, action.offsetMs);
  if (action.type === 'expireToken') rearrange.expireToken(id);
  if (action.type === 'moveHub') await rearrange.move(id, action.hub);
}

/** Carries out the faults that change the world instead of one answer. */
export function applyWorldFaults(faults: Faults, context: HubContext, rearrange: Rearrange): void {
  faults.on('strike', (action, id) => {
    carryOut(action, id, context, rearrange).catch((error: unknown) => {
      context.logger.warn({ id, fault: action.type, reason: reasonOf(error) }, 'the fault struck nothing');
    });
  });
}
