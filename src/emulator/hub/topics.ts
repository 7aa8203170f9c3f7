/** What a device published, told by its topic (IoT Hub's MQTT topics). */
export type DeviceTopic =
  | { kind: 'telemetry'; properties: [string, string][] }
  | { kind: 'twinGet'; requestId: string }
  | { kind: 'twinPatch'; requestId: string }
  | { kind: 'methodAnswer'; status: number; requestId: string };

function pairs(text: string): [string, string][] | undefined {
  try {
    return text
      .split('&')
      .filter((part) => part !== '')
      .map((part): [string, string] => {
        const equals = part.indexOf('=');
        return equals < 0
          ? [decodeURIComponent(part), '']
          : [decodeURIComponent(part.slice(0, equals)), decodeURIComponent(part.slice(equals + 1))];
      });
  } catch {
    // Not percent-encoding: the topic is none of ours.
    return undefined;
  }
}

function query(topic: string): Map<string, string> | undefined {
  const mark = topic.indexOf('?');
  const list = pairs(mark < 0 ? '' : topic.slice(mark + 1));
  return list === undefined ? undefined : new Map(list);
}

/** `undefined` for a topic that IoT Hub does not know: it then drops the connection. */
export function parseDeviceTopic(deviceId: string, topic: string): DeviceTopic | undefined {
  const events = `devices/${deviceId}/messages/events`;
  if (topic === events || topic.startsWith(`${events}/`)) {
    const properties = pairs(
      topic
        .slice(events.length + 1)
        .replace(/^\?/, '')
        .replace(/\/$/, ''),
    );
    return properties === undefined ? undefined : { kind: 'telemetry', properties };
  }
  const requestId = query(topic)?.get('$rid');
  if (requestId === undefined) return undefined;
  if (topic.startsWith('$iothub/twin/GET/?')) return { kind: 'twinGet', requestId };
  if (topic.startsWith('$iothub/twin/PATCH/properties/reported/?')) return { kind: 'twinPatch', requestId };
  const status = /^\$iothub\/methods\/res\/(-?\d{1,10})\/\?/.exec(topic)?.[1];
  return status === undefined ? undefined : { kind: 'methodAnswer', status: Number(status), requestId };
}

/** The filters a device may subscribe to; everything else is refused with 0x80 in SUBACK. */
export function maySubscribe(deviceId: string, filter: string): boolean {
  return [
    `devices/${deviceId}/messages/devicebound/#`,
    '$iothub/twin/res/#',
    '$iothub/twin/PATCH/properties/desired/#',
    '$iothub/methods/POST/#',
  ].includes(filter);
}

export const subscriptionOf = {
  cloudMessages: (deviceId: string): string => `devices/${deviceId}/messages/devicebound/#`,
  twinAnswers: '$iothub/twin/res/#',
  desired: '$iothub/twin/PATCH/properties/desired/#',
  methods: '$iothub/methods/POST/#',
} as const;

export const twinAnswerTopic = (status: number, requestId: string, version?: number): string =>
  `$iothub/twin/res/${status}/?$rid=${requestId}${version === undefined ? '' : `&$version=${version}`}`;

export const desiredTopic = (version: number): string =>
  `$iothub/twin/PATCH/properties/desired/?$version=${version}`;

export const methodTopic = (method: string, requestId: string): string =>
  `$iothub/methods/POST/${method}/?$rid=${requestId}`;

/** The property bag of a cloud-to-device message, encoded as IoT Hub does. */
export function cloudMessageTopic(deviceId: string, properties: readonly [string, string][]): string {
  const bag = properties.map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`).join('&');
  return `devices/${deviceId}/messages/devicebound/${bag}`;
}
