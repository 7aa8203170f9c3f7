import { type Static, Type } from '@sinclair/typebox';
import { isTpeError } from '../../common/errors/tpe-error';
import type { DeviceLink, Hub } from './hub';
import type { MethodAnswer } from './pending-methods';
import { hubRefusal } from './hub-refusal';

export const MethodCall = Type.Object({
  methodName: Type.String({ minLength: 1, maxLength: 100, pattern: '^[A-Za-z0-9_.~-]+$' }),
  payload: Type.Optional(Type.Unknown()),
  responseTimeoutInSeconds: Type.Optional(Type.Integer({ minimum: 5, maximum: 300 })),
  connectTimeoutInSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 300 })),
});
export type MethodCall = Static<typeof MethodCall>;

const DEFAULT_RESPONSE_SECONDS = 30;
/** A method's payload and answer have at most 128 KB. */
export const LARGEST_METHOD_PAYLOAD = 128 * 1024;

/** The device's link, waiting for the device to connect and to listen for so long. */
async function linkOf(hub: Hub, deviceId: string, seconds: number): Promise<DeviceLink | undefined> {
  const link = hub.link(deviceId);
  if (link?.takesMethods === true || seconds === 0) return link;
  return await new Promise((resolve) => {
    const listens = (id: string): void => {
      if (id === deviceId) finish();
    };
    const finish = (): void => {
      clearTimeout(timer);
      hub.off('methods', listens);
      resolve(hub.link(deviceId));
    };
    const timer = setTimeout(finish, seconds * 1000);
    hub.on('methods', listens);
  });
}

/**
 * Calls a direct method.
 * @throws EMU_REFUSED 404 (not online), 504 (no answer in time)
 */
export async function callMethod(hub: Hub, deviceId: string, call: MethodCall): Promise<MethodAnswer> {
  const timeoutMs = (call.responseTimeoutInSeconds ?? DEFAULT_RESPONSE_SECONDS) * 1000;
  const link = await linkOf(hub, deviceId, call.connectTimeoutInSeconds ?? 0);
  try {
    if (link === undefined) throw hubRefusal('DeviceNotOnline', `Device ${deviceId} is not online.`);
    return await link.invoke(call.methodName, call.payload, timeoutMs);
  } catch (error) {
    if (isTpeError(error, 'EMU_DEVICE_NOT_CONNECTED')) throw hubRefusal('DeviceNotOnline', error.message);
    if (isTpeError(error, 'EMU_METHOD_TIMEOUT')) throw hubRefusal('GatewayTimeout', error.message);
    throw error;
  }
}
