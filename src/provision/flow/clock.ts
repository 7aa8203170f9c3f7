import { Type } from '@sinclair/typebox';
import { isTpeError } from '../../common/errors/tpe-error';
import type { GatewayClient } from '../gateway/client';

const TimeData = Type.Object({ time: Type.String({ maxLength: 64 }) });

/** SAS tokens live for an hour and TLS certificates for months; a minute does no harm. */
const TOLERATED_MS = 60_000;

/** Sets a clock that is wrong from this computer's: a gateway in an offline plant has no other source. */
export async function setClock(client: GatewayClient): Promise<string> {
  let time: string;
  try {
    ({ time } = await client.read(TimeData, 'GET', '/device/time'));
  } catch (error) {
    const status = isTpeError(error, 'PROVISION_GATEWAY_REFUSED') ? error.details['status'] : undefined;
    if (status === 404) return 'not offered';
    throw error;
  }
  const offMs = Date.parse(time) - Date.now();
  if (Math.abs(offMs) <= TOLERATED_MS) return 'right';
  const off = Number.isNaN(offMs)
    ? 'unreadable'
    : `${Math.round(Math.abs(offMs) / 1000)} s ${offMs < 0 ? 'slow' : 'fast'}`;
  const answer = await client.send('PATCH', '/device/time', { time: new Date().toISOString() });
  // Not the end: the gateway may get its time elsewhere, and says so itself when it cannot connect.
  return answer.status === 200
    ? `set, it was ${off}`
    : `${off}, could not be set: ${answer.error?.message ?? answer.status}`;
}
