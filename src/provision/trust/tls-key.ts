import { TpeError } from '../../common/errors/tpe-error';
import { type Gateway, nameOf } from '../device';
import { groupBy } from '../group-by';
import type { DeviceRecord } from '../journal/record';
import type { FactoryIndex } from './factory-index';

export interface KeyTrust {
  /** Base64 SHA-256 of the key to pin. */
  readonly pinnedKey: string;
  readonly trustedBy: 'factoryRecord' | 'firstUse';
}

interface Options {
  readonly factory: FactoryIndex;
  readonly trustOnFirstUse: boolean;
  /** Believe the key that is shown now in the place of the one that was pinned. Never against a factory record. */
  readonly replace: boolean;
}

/**
 * Decides which TLS key of a gateway is believed. Discovery is unauthenticated: what it says is believed only when the
 * factory record or an earlier run says the same, or when the operator said so.
 * @throws PROVISION_FACTORY_OTHER_MAC, PROVISION_KEY_CHANGED, PROVISION_KEY_UNTRUSTED
 */
export function decideKey(gateway: Gateway, record: DeviceRecord | undefined, options: Options): KeyTrust {
  const device = nameOf(gateway);
  const actual = gateway.keySha256;
  // Otherwise an invented MAC would be the way around the record.
  if (options.factory.contradicts(gateway)) {
    throw new TpeError('PROVISION_FACTORY_OTHER_MAC', { device, mac: gateway.mac });
  }
  const recorded = options.factory.entryFor(gateway)?.keySha256;
  if (recorded !== undefined) {
    if (recorded !== actual) {
      throw new TpeError('PROVISION_KEY_CHANGED', {
        device,
        source: 'the factory record',
        expected: recorded,
        actual,
      });
    }
    return { pinnedKey: recorded, trustedBy: 'factoryRecord' };
  }
  const pinned = record?.pinnedKey;
  if (pinned !== undefined && (pinned === actual || !options.replace)) {
    if (pinned !== actual) {
      throw new TpeError('PROVISION_KEY_CHANGED', {
        device,
        source: 'the journal',
        expected: pinned,
        actual,
      });
    }
    return { pinnedKey: pinned, trustedBy: record?.trustedBy ?? 'firstUse' };
  }
  if (!options.trustOnFirstUse) throw new TpeError('PROVISION_KEY_UNTRUSTED', { device, key: actual });
  return { pinnedKey: actual, trustedBy: 'firstUse' };
}

/**
 * Gateways whose device id was claimed with several keys. The one that a factory record or the journal vouches for
 * stays; without such a witness none is believed, because the forged one cannot be told apart.
 */
export function settleConflicts(
  gateways: readonly Gateway[],
  witness: (gateway: Gateway) => string | undefined,
): { kept: Gateway[]; refused: { gateway: Gateway; error: TpeError }[] } {
  const byDevice = groupBy(gateways, (gateway) => gateway.deviceId);
  const kept: Gateway[] = [];
  const refused: { gateway: Gateway; error: TpeError }[] = [];
  for (const claims of byDevice.values()) {
    const [first] = claims;
    if (first === undefined) continue;
    const right = claims.length === 1 ? first : claims.find((claim) => witness(claim) === claim.keySha256);
    if (right !== undefined) kept.push(right);
    else {
      const error = new TpeError('PROVISION_ANSWERS_CONFLICT', { device: first.serialNumber });
      refused.push({ gateway: first, error });
    }
  }
  return { kept, refused };
}
