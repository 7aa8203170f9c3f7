import { TpeError } from '../../common/errors/tpe-error';
import { nameOf } from '../device';
import type { GatewayClient } from '../gateway/client';
import { GeneralData } from '../gateway/schemas';

/**
 * Discovery can be forged; what the gateway says over its pinned connection counts.
 * @throws PROVISION_SERIAL_MISMATCH
 */
export async function checkIdentity(client: GatewayClient): Promise<void> {
  const { serialNumber } = await client.read(GeneralData, 'GET', '/device/general');
  if (serialNumber !== client.gateway.serialNumber) {
    throw new TpeError('PROVISION_SERIAL_MISMATCH', { device: nameOf(client.gateway), actual: serialNumber });
  }
}
