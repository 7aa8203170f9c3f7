import type { ServiceClock } from '../service-clock';
import { audience, parseSas, signedBy } from '../sas/sas';
import type { Hub } from './hub';

/** MQTT 3.1.1, table 3.1. */
export const Connack = {
  accepted: 0,
  badProtocol: 1,
  badClientId: 2,
  unavailable: 3,
  badCredentials: 4,
  notAuthorized: 5,
} as const;

export interface Credentials {
  readonly clientId: string;
  readonly userName: string | undefined;
  readonly password: string | undefined;
}

export type Verdict =
  | { accepted: true; hub: Hub; deviceId: string; expirySeconds: number; tokenSignature: string }
  | { accepted: false; code: number; reason: string };

const refuse = (code: number, reason: string): Verdict => ({ accepted: false, code, reason });

/** `{hub}/{deviceId}/?api-version=…`; the hub name decides which of the emulated hubs is meant. */
const USER_NAME = /^([^/]+)\/([^/?]+)\/?\?(?:.*&)?api-version=[^&]+/;

/**
 * Checks a CONNECT as IoT Hub does. Code 4 where user name or token cannot be read, code 5 where they can but do not
 * open the door: expired, another audience, another key, device unknown or disabled.
 */
export function authenticate(
  hubs: ReadonlyMap<string, Hub>,
  clock: ServiceClock,
  credentials: Credentials,
): Verdict {
  const [, host, deviceId] = USER_NAME.exec(credentials.userName ?? '') ?? [];
  if (host === undefined || deviceId === undefined)
    return refuse(Connack.badCredentials, 'user name not readable');
  if (credentials.clientId !== deviceId) return refuse(Connack.badClientId, 'client id is not the device id');
  const hub = hubs.get(host.toLowerCase());
  if (hub === undefined) return refuse(Connack.notAuthorized, `no hub of the name ${host}`);
  const token = parseSas(credentials.password ?? '');
  if (token === undefined) return refuse(Connack.badCredentials, 'password is no shared access signature');

  if (audience(token) !== `${hub.hostName}/devices/${deviceId}`.toLowerCase()) {
    return refuse(Connack.notAuthorized, 'the token is for another audience');
  }
  if (token.expirySeconds <= clock.seconds()) return refuse(Connack.notAuthorized, 'the token expired');
  const device = hub.devices.get(deviceId);
  if (device === undefined) return refuse(Connack.notAuthorized, 'device unknown');
  const keys = [device.primaryKey, device.secondaryKey].map((key) => Buffer.from(key, 'base64'));
  if (!keys.some((key) => signedBy(token, key))) return refuse(Connack.notAuthorized, 'wrong signature');
  if (device.status !== 'enabled') return refuse(Connack.notAuthorized, 'device disabled');
  const tokenSignature = token.signature.toString('base64');
  if (hub.isExpired(tokenSignature)) return refuse(Connack.notAuthorized, 'the token was ended');
  return { accepted: true, hub, deviceId, expirySeconds: token.expirySeconds, tokenSignature };
}
