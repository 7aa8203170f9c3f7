import type { FastifyRequest } from 'fastify';
import { Type } from '@sinclair/typebox';
import { reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { applyHttpFault } from '../faults/http-fault';
import type { HttpsApp } from '../https-app';
import { parseSas } from '../sas/sas';
import { audienceHost, requireServiceToken } from '../sas/service-access';
import { LARGEST_CLOUD_MESSAGE, enqueue, purge } from './cloud-messages';
import { type DeviceRecord, JsonObject } from './device-record';
import type { Hub } from './hub';
import type { HubContext } from './hub-context';
import { hubRefusal, hubRefusalAnswer } from './hub-refusal';
import { LARGEST_METHOD_PAYLOAD, MethodCall, callMethod } from './methods';
import { identityView, matches, twinView } from './service-views';
import { patchDesired, patchTags } from './twin';

const IdentityBody = Type.Object({
  deviceId: Type.String({ pattern: "^[A-Za-z0-9\\-:.+%_#*?!(),=@;$']{1,128}$" }),
  status: Type.Optional(Type.Union([Type.Literal('enabled'), Type.Literal('disabled')])),
  authentication: Type.Optional(
    Type.Object({
      symmetricKey: Type.Optional(
        Type.Object({
          primaryKey: Type.Optional(Type.Union([Type.String(), Type.Null()])),
          secondaryKey: Type.Optional(Type.Union([Type.String(), Type.Null()])),
        }),
      ),
    }),
  ),
  capabilities: Type.Optional(Type.Object({ iotEdge: Type.Optional(Type.Boolean()) })),
});

const TwinPatch = Type.Object({
  tags: Type.Optional(Type.Union([JsonObject, Type.Null()])),
  properties: Type.Optional(Type.Object({ desired: Type.Optional(Type.Union([JsonObject, Type.Null()])) })),
});

/**
 * The key to take: base64 of 16 to 64 bytes, as IoT Hub asks. An empty one, which azure-iothub sends for none, leaves
 * the hub to choose: with it in force anybody could sign.
 */
function deviceKey(text: string | null | undefined): string | undefined {
  if (text === undefined || text === null || text === '') return undefined;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length >= 16 && bytes.length <= 64 && bytes.toString('base64') === text) return text;
  throw hubRefusal('ArgumentInvalid', 'A device key is base64 of 16 to 64 bytes.');
}

const DEFAULT_LIST = 1000;
const Query = Type.Object({ query: Type.String({ maxLength: 4096 }) });

const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id;

/** IoT Hub's service API: identities, twins, direct methods, messages to devices. The token says which hub is meant. */
export function addHubServiceApi(app: HttpsApp, context: HubContext): void {
  const { hubs, clock, faults } = context;

  const hubOf = (request: FastifyRequest): Hub | undefined => {
    const token = parseSas(request.headers.authorization ?? '');
    return token === undefined ? undefined : hubs.get(audienceHost(token) ?? '');
  };
  const known = (request: FastifyRequest): { hub: Hub; record: DeviceRecord } => {
    const hub = hubOf(request);
    const record = hub?.devices.get(idOf(request));
    if (hub === undefined || record === undefined) {
      throw hubRefusal('DeviceNotFound', `There is no device ${idOf(request)}.`);
    }
    return { hub, record };
  };

  app.register((api, _options, done) => {
    api.setErrorHandler((error, request, reply) => {
      const { status, body } = hubRefusalAnswer(error, clock.iso());
      if (status >= 500) {
        context.logger.error({ path: request.url.split('?')[0], reason: reasonOf(error) }, 'request failed');
      }
      return reply.code(status).send(body);
    });
    api.addHook('onRequest', async (request, reply) => {
      const id = (request.params as { id?: string }).id ?? '*';
      if (await applyHttpFault(faults.take('hub-service', id), reply)) return reply;
      const hub = hubOf(request);
      const policy = hub?.settings.policy ?? { name: '', key: '' };
      requireServiceToken(request, policy, hub === undefined ? [] : [hub.hostName], clock);
      return undefined;
    });

    api.get('/devices', (request) => {
      const { top } = request.query as { top?: string };
      const hub = hubOf(request);
      const records = hub?.devices.values().slice(0, Number(top ?? DEFAULT_LIST)) ?? [];
      return hub === undefined ? [] : records.map((record) => identityView(hub, record));
    });
    api.get('/devices/:id', (request) => {
      const { hub, record } = known(request);
      return identityView(hub, record);
    });
    api.put('/devices/:id', async (request) => {
      const body = validate(IdentityBody, request.body, 'the device');
      const hub = hubOf(request);
      if (hub === undefined || body.deviceId !== idOf(request)) {
        throw hubRefusal('ArgumentInvalid', 'The device ID in the body is another one than in the URL.');
      }
      const primaryKey = deviceKey(body.authentication?.symmetricKey?.primaryKey);
      const secondaryKey = deviceKey(body.authentication?.symmetricKey?.secondaryKey);
      const before = hub.devices.get(body.deviceId);
      const ifMatch = request.headers['if-match'];
      if (before !== undefined && ifMatch === undefined) {
        throw hubRefusal('DeviceAlreadyExists', `Device ${body.deviceId} exists already.`);
      }
      if (before !== undefined && !matches(ifMatch, before.identityVersion)) {
        throw hubRefusal('PreconditionFailed', 'The ETag does not match.');
      }
      await hub.ensureDevice(body.deviceId);
      const changed = await hub.update(body.deviceId, (record) => ({
        ...record,
        status: body.status ?? record.status,
        iotEdge: body.capabilities?.iotEdge ?? record.iotEdge,
        primaryKey: primaryKey ?? record.primaryKey,
        secondaryKey: secondaryKey ?? record.secondaryKey,
        identityVersion: before === undefined ? 1 : record.identityVersion + 1,
      }));
      if (changed === undefined) throw hubRefusal('DeviceNotFound', `There is no device ${body.deviceId}.`);
      if (changed.status === 'disabled') hub.link(body.deviceId)?.close('the device was disabled');
      return identityView(hub, changed);
    });
    api.delete('/devices/:id', async (request, reply) => {
      const { hub, record } = known(request);
      if (!matches(request.headers['if-match'], record.identityVersion)) {
        throw hubRefusal('PreconditionFailed', 'The ETag does not match.');
      }
      await hub.removeDevice(record.deviceId);
      return await reply.code(204).send();
    });
    api.delete('/devices/:id/commands', async (request) => {
      const { hub, record } = known(request);
      const totalMessagesPurged = await purge(hub, record.deviceId);
      return { deviceId: record.deviceId, totalMessagesPurged };
    });
    api.post('/devices/query', (request) => {
      const { query } = validate(Query, request.body, 'the query');
      const hub = hubOf(request);
      if (hub === undefined || !/^\s*select\s+\*\s+from\s+devices\s*;?\s*$/i.test(query)) {
        throw hubRefusal('ArgumentInvalid', 'Only "SELECT * FROM devices" is supported.');
      }
      return hub.devices.values().map((record) => twinView(hub, record));
    });
    api.get('/statistics/devices', (request) => {
      const records = hubOf(request)?.devices.values() ?? [];
      const enabledDeviceCount = records.filter((record) => record.status === 'enabled').length;
      const totalDeviceCount = records.length;
      return {
        totalDeviceCount,
        enabledDeviceCount,
        disabledDeviceCount: totalDeviceCount - enabledDeviceCount,
      };
    });

    api.get('/twins/:id', (request) => {
      const { hub, record } = known(request);
      return twinView(hub, record);
    });
    api.route({
      method: ['PATCH', 'PUT'],
      url: '/twins/:id',
      handler: async (request) => {
        const { hub, record } = known(request);
        const { tags, properties } = validate(TwinPatch, request.body, 'the twin');
        if (!matches(request.headers['if-match'], record.twin.version)) {
          throw hubRefusal('PreconditionFailed', 'The ETag does not match.');
        }
        const replace = request.method === 'PUT';
        const desired = properties?.desired;
        const changed = await hub.update(record.deviceId, (before) => {
          let { twin } = before;
          if (tags !== undefined) twin = patchTags(twin, tags ?? {}, replace || tags === null);
          if (desired !== undefined) twin = patchDesired(twin, desired ?? {}, replace || desired === null);
          return { ...before, twin };
        });
        if (changed === undefined)
          throw hubRefusal('DeviceNotFound', `There is no device ${record.deviceId}.`);
        if (desired !== undefined) {
          hub.link(record.deviceId)?.desiredChanged(desired ?? {}, changed.twin.desiredVersion);
        }
        return twinView(hub, changed);
      },
    });
    api.post('/twins/:id/methods', { bodyLimit: LARGEST_METHOD_PAYLOAD }, async (request) => {
      const { hub, record } = known(request);
      const call = validate(MethodCall, request.body, 'the direct method');
      return await callMethod(hub, record.deviceId, call);
    });

    api.register((raw, _rawOptions, rawDone) => {
      raw.removeAllContentTypeParsers();
      raw.addContentTypeParser(
        '*',
        { parseAs: 'buffer', bodyLimit: LARGEST_CLOUD_MESSAGE },
        (_r, body, next) => next(null, body),
      );
      raw.post('/messages/deviceBound', async (request, reply) => {
        const to = String(request.headers['iothub-to'] ?? '');
        const deviceId = /^\/devices\/([^/]+)\/messages\/devicebound$/i.exec(to)?.[1];
        const hub = hubOf(request);
        if (hub === undefined || deviceId === undefined) {
          throw hubRefusal('ArgumentInvalid', 'iothub-to must be /devices/{id}/messages/deviceBound.');
        }
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        await enqueue(hub, decodeURIComponent(deviceId), body, request.headers, clock.now());
        return await reply.code(204).send();
      });
      rawDone();
    });
    done();
  });
}
