import { TpeError, codeOf, isTpeError, reasonOf } from '../../common/errors/tpe-error';

/** CONNACK return codes of MQTT 3.1.1, 3.2.2.3: what they leave unsaid (401, 403 or 404) the hub does not tell. */
const REFUSALS: readonly number[] = [2, 4, 5];

const TLS_CODES =
  /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/;

/** What mqtt-packet says of bytes that are no MQTT; its errors have no code. */
const NOT_MQTT = /^(Invalid|Cannot parse|Malformed|Wrong|Packet too short|Not supported)/;

/** The return code of a CONNACK in an error of mqtt.js, whose `code` is a number then. */
function returnCodeOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
}

/**
 * Why no connection to the hub came about.
 * @param error what mqtt.js said; the SDK's own error has lost code and cause.
 */
export function connectError(error: unknown, hub: string, deviceId: string): TpeError {
  if (isTpeError(error)) return error;
  const returnCode = returnCodeOf(error);
  if (returnCode !== undefined && REFUSALS.includes(returnCode)) {
    return new TpeError('HUB_REFUSED', { hub, deviceId, returnCode }, { cause: error });
  }
  const reason = reasonOf(error);
  if (codeOf(error) === undefined && NOT_MQTT.test(reason)) {
    return new TpeError('HUB_PACKET_INVALID', { hub, reason }, { cause: error });
  }
  const tls = TLS_CODES.test(codeOf(error) ?? '');
  return new TpeError(tls ? 'HUB_TLS_REFUSED' : 'HUB_UNREACHABLE', { hub, reason }, { cause: error });
}
