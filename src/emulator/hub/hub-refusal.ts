import { randomUUID } from 'node:crypto';
import { TpeError, isTpeError } from '../../common/errors/tpe-error';
import { asRefusal } from '../https-app';

/** IoT Hub's refusals that the service API gives: HTTP status, its name and its number. */
const hubRefusals = {
  DeviceNotFound: [404, 404001],
  DeviceNotOnline: [404, 404103],
  DeviceAlreadyExists: [409, 409001],
  PreconditionFailed: [412, 412002],
  ArgumentInvalid: [400, 400004],
  DeviceMaximumQueueDepthExceeded: [403, 403004],
  GatewayTimeout: [504, 504101],
} as const;

/** Error of the IoT Hub service API, to be thrown. */
export function hubRefusal(name: keyof typeof hubRefusals, message: string): TpeError {
  const [status, errorCode] = hubRefusals[name];
  return new TpeError('EMU_REFUSED', { status, errorCode, name, message });
}

/** Status and body as IoT Hub writes them: `{"Message":"ErrorCode:…;…","ExceptionMessage":"Tracking ID:…"}`. */
export function hubRefusalAnswer(
  error: unknown,
  nowIso: string,
): { status: number; body: { Message: string; ExceptionMessage: string } } {
  const refused = asRefusal(error);
  const known = isTpeError(refused, 'EMU_REFUSED')
    ? refused.details
    : { status: 500, message: 'Server error' };
  const status = Number(known['status']);
  const usual =
    status === 401 ? 'IotHubUnauthorizedAccess' : status < 500 ? 'ArgumentInvalid' : 'ServerError';
  return {
    status,
    body: {
      Message: `ErrorCode:${String(known['name'] ?? usual)};${String(known['message'])}`,
      ExceptionMessage: `Tracking ID:${randomUUID().replaceAll('-', '')}-TimeStamp:${nowIso}`,
    },
  };
}
