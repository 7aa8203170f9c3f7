import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hubService } from '../support/azure-client';
import type { Gateway } from '../support/gateway';
import { type Plant, withPlant } from '../support/plant';
import { waitFor } from '../support/wait';

const ID = 'taicb1046771';
const MORE = 'directMethodRole = "operator"\ntelemetryPeriodSec = 1\n';

interface Twin {
  readonly properties: { readonly desired: { $version: number }; readonly reported: Record<string, unknown> };
}

/** IoT Hub's service API, as an operator of the cloud uses it. */
class CloudOperator {
  readonly #plant: Plant;

  constructor(plant: Plant) {
    this.#plant = plant;
  }

  async call(method: 'GET' | 'POST' | 'PATCH', path: string, body?: object) {
    const { hubs } = (await this.#plant.admin('GET', '/hubs')) as {
      hubs: { hostName: string; policyName: string; policyKey: string }[];
    };
    return hubService(this.#plant.cloud, hubs[0]!, method, path, body);
  }

  async reported(): Promise<Record<string, unknown>> {
    return ((await this.call('GET', `/twins/${ID}`)).body as Twin).properties.reported;
  }

  async desire(desired: object): Promise<number> {
    const { body } = await this.call('PATCH', `/twins/${ID}`, { properties: { desired } });
    return (body as Twin).properties.desired.$version;
  }

  async method(methodName: string, payload: unknown = null): Promise<{ status: number; payload: unknown }> {
    const call = { methodName, payload, responseTimeoutInSeconds: 20, connectTimeoutInSeconds: 20 };
    const { status, body } = await this.call('POST', `/twins/${ID}/methods`, call);
    if (status !== 200) throw new Error(`${methodName}: ${status} ${JSON.stringify(body)}`);
    return body as { status: number; payload: unknown };
  }
}

async function connectedGateway(plant: Plant): Promise<{ gateway: Gateway; cloud: CloudOperator }> {
  const { gateway } = await plant.addGateway({ more: MORE });
  const { code, events } = await plant.provision();
  expect({ code, last: events.at(-1) }).toMatchObject({ code: 0 });
  await gateway.login();
  return { gateway, cloud: new CloudOperator(plant) };
}

const appliedOf = (reported: Record<string, unknown>) =>
  (reported['agent'] as { applied?: { version: number; services?: object; discovery?: object } } | undefined)
    ?.applied;

test('twin, desired properties and direct methods of a real gateway', () =>
  withPlant(async (plant) => {
    const { gateway, cloud } = await connectedGateway(plant);

    const sections = await waitFor('the sections', async () => {
      const reported = await cloud.reported();
      return 'agent' in reported ? reported : undefined;
    });
    expect(Object.keys(sections)).toEqual(
      expect.arrayContaining(['general', 'discovery', 'httpserver', 'sshserver', 'services', 'agent']),
    );
    expect(sections).toMatchObject({
      general: { serialNumber: 'TAICB1046771', modelName: 'UC-8100A-ME-T-LX' },
      discovery: { enable: true },
      services: { provision: { enable: true, available: true } },
    });

    const version = await cloud.desire({
      discovery: { enable: false },
      services: { httpservice: { enable: 'yes' }, nonsense: { enable: true }, eventlog: { enable: true } },
    });
    const applied = await waitFor('the acknowledgement', async () => appliedOf(await cloud.reported()));
    expect(applied).toMatchObject({
      version,
      discovery: { version, status: 200 },
      services: { httpservice: { status: 400 }, nonsense: { status: 404 }, eventlog: { status: 200 } },
    });
    expect(await gateway.data('GET', '/system/discovery')).toMatchObject({ enable: false });
    await waitFor('the section', async () =>
      JSON.stringify((await cloud.reported())['discovery']).includes('"enable":false'),
    );

    // What somebody changes on site reaches the twin as well.
    await gateway.data('PUT', '/system/discovery', { enable: true });
    await waitFor('the section', async () =>
      JSON.stringify((await cloud.reported())['discovery']).includes('"enable":true'),
    );

    expect(await cloud.method('ping')).toMatchObject({ status: 200 });
    const api = (method: string, path: string, requestBody?: object) =>
      cloud.method('thingspro-api-v1', { method, path, requestBody });
    expect(await api('GET', '/device/general')).toMatchObject({
      status: 200,
      payload: { data: { serialNumber: 'TAICB1046771' } },
    });
    expect(await api('PUT', '/system/discovery', { enable: false })).toMatchObject({ status: 200 });
    expect(await gateway.data('GET', '/system/discovery')).toMatchObject({ enable: false });
    expect(await api('GET', '/users')).toMatchObject({ status: 403 });
    expect(await api('POST', '/auth', { name: 'admin', password: 'x' })).toMatchObject({ status: 403 });

    const { text } = await gateway.call('GET', '/audits');
    expect(text).toContain('"iothub"');

    // Without the role in the settings there is no way in, without a restart or another connection.
    const settings = await readFile(gateway.config, 'utf8');
    await writeFile(gateway.config, settings.replace('directMethodRole = "operator"\n', ''));
    gateway.process!.kill('SIGHUP');
    await gateway.process!.line((line) => String(line['msg']).startsWith('settings reloaded'), 'reloaded');
    expect(await api('GET', '/device/general')).toMatchObject({
      status: 403,
      payload: { error: { id: 'HUB_METHOD_OFF' } },
    });
    expect((await plant.counters(ID))['hubSessions']).toBe(1);
  }));

test('health messages of an offline time survive a power cut, and arrive in order when the hub is back', () =>
  withPlant(async (plant) => {
    const { gateway } = await connectedGateway(plant);
    await waitFor('a health message', async () => ((await plant.counters(ID))['telemetry'] ?? 0) > 0);
    await plant.admin('PATCH', '/settings', { hubListening: false });
    const outbox = join(gateway.stateFolder, 'outbox');
    const kept = async (): Promise<string[]> =>
      (await readdir(outbox)).filter((name) => /^\d+\.json$/.test(name));
    await waitFor('three kept messages', async () => (await kept()).length >= 3);
    gateway.process!.kill('SIGKILL');
    await gateway.process!.exited;
    const before = await kept();
    await gateway.start();
    await plant.admin('PATCH', '/settings', { hubListening: true });
    await waitFor('an empty store', async () => (await kept()).length === 0, 60_000);
    const { telemetry } = (await plant.admin('GET', `/telemetry?deviceId=${ID}`)) as {
      telemetry: { properties: [string, string][] }[];
    };
    const created = telemetry.map(({ properties }) => new Map(properties).get('createdAt')!);
    expect(created).toEqual([...created].sort());
    expect(created.length).toBeGreaterThan(before.length);
  }));
