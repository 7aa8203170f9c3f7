// The least client of a hub: the mqtt package, a token made with a key in memory, direct methods and desired properties.
// usage: mqtt-client TARGET, as new-device prints it
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'mqtt';

interface Target {
  readonly ca: string;
  readonly gateway: string;
  readonly hub: string;
  readonly deviceId: string;
  /** Base64. */
  readonly key: string;
}

const { ca, gateway, hub, deviceId, key } = JSON.parse(process.argv[2] ?? '') as Target;
const audience = encodeURIComponent(`${hub}/devices/${deviceId}`);
const expiry = Math.floor(Date.now() / 1000) + 3600;
const signature = createHmac('sha256', Buffer.from(key, 'base64'))
  .update(`${audience}\n${expiry}`)
  .digest('base64');
const client = connect(`mqtts://${gateway}`, {
  ca: readFileSync(ca),
  clientId: deviceId,
  username: `${hub}/${deviceId}/?api-version=2021-04-12`,
  password: `SharedAccessSignature sr=${audience}&sig=${encodeURIComponent(signature)}&se=${expiry}`,
  keepalive: 120,
});
client.on('error', (error) => {
  throw error;
});
client.on('connect', () => {
  client.subscribe(
    ['$iothub/methods/POST/#', '$iothub/twin/PATCH/properties/desired/#'],
    (error: Error | null) => {
      if (error) throw error;
      process.stdout.write('ready\n');
    },
  );
});
