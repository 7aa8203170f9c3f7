import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { CloudMessage } from './device-record';
import type { Hub } from './hub';
import { hubRefusal } from './hub-refusal';

/** IoT Hub keeps so many for a device. */
const MOST_WAITING = 50;
/** And so large ones. */
export const LARGEST_CLOUD_MESSAGE = 64 * 1024;
/** Its default life of a message. */
const LIFE_MS = 3_600_000;

const systemHeaders: Readonly<Record<string, string>> = {
  'iothub-messageid': '$.mid',
  'iothub-correlationid': '$.cid',
  'iothub-userid': '$.uid',
  'iothub-contenttype': '$.ct',
  'iothub-contentencoding': '$.ce',
};

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** System and application properties of the REST headers `iothub-*` and `iothub-app-*`, as MQTT's property bag. */
function properties(headers: IncomingHttpHeaders, deviceId: string, messageId: string): [string, string][] {
  const bag: [string, string][] = [['$.to', `/devices/${deviceId}/messages/deviceBound`]];
  for (const [header, name] of Object.entries(systemHeaders)) {
    const value = header === 'iothub-messageid' ? messageId : textOf(headers[header]);
    if (value !== undefined) bag.push([name, value]);
  }
  for (const [header, value] of Object.entries(headers)) {
    const app = /^iothub-app-(.+)$/.exec(header)?.[1];
    if (app !== undefined) bag.push([app, textOf(value) ?? '']);
  }
  return bag;
}

/**
 * Puts a message into the device's queue and delivers it when the device is there.
 * @throws EMU_REFUSED 404 unknown device, 403 queue full, 400 too large or expiry not readable
 */
export async function enqueue(
  hub: Hub,
  deviceId: string,
  body: Buffer,
  headers: IncomingHttpHeaders,
  nowMs: number,
): Promise<void> {
  const record = hub.devices.get(deviceId);
  if (record === undefined) throw hubRefusal('DeviceNotFound', `There is no device ${deviceId}.`);
  if (body.length > LARGEST_CLOUD_MESSAGE)
    throw hubRefusal('ArgumentInvalid', 'The message is larger than 64 KB.');
  if (record.messages.length >= MOST_WAITING) {
    throw hubRefusal('DeviceMaximumQueueDepthExceeded', `${MOST_WAITING} messages are waiting.`);
  }
  const expiry = textOf(headers['iothub-expiry']);
  if (expiry !== undefined && Number.isNaN(Date.parse(expiry))) {
    throw hubRefusal('ArgumentInvalid', 'iothub-expiry is no time.');
  }
  const messageId = textOf(headers['iothub-messageid']) ?? randomUUID();
  await hub.update(deviceId, (before) => {
    const message: CloudMessage = {
      messageId: `${before.nextSequence}:${messageId}`,
      sequence: before.nextSequence,
      enqueuedTimeUtc: new Date(nowMs).toISOString(),
      expiryTimeUtc: expiry ?? new Date(nowMs + LIFE_MS).toISOString(),
      properties: properties(headers, deviceId, messageId),
      body: body.toString('base64'),
    };
    return {
      ...before,
      messages: [...before.messages, message],
      nextSequence: before.nextSequence + 1,
    };
  });
  hub.link(deviceId)?.deliver();
}

/** @returns how many were forgotten. @throws EMU_REFUSED 404 */
export async function purge(hub: Hub, deviceId: string): Promise<number> {
  const record = hub.devices.get(deviceId);
  if (record === undefined) throw hubRefusal('DeviceNotFound', `There is no device ${deviceId}.`);
  await hub.update(deviceId, (before) => ({ ...before, messages: [] }));
  return record.messages.length;
}
