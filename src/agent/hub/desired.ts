import { type Static, Type } from '@sinclair/typebox';
import { reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import type { ApiCall, CallApi } from './direct-methods';

const Enable = Type.Object({ enable: Type.Boolean() });
export const Versioned = Type.Object({ $version: Type.Integer({ minimum: 0 }) });
const SERVICE_ID = /^[a-z0-9][a-z0-9-]{0,63}$/;
/** Services that one patch may change. */
export const MOST_SERVICES = 64;

/** What became of one desired property. */
export interface Applied {
  /** Version of the desired properties that asked for it. */
  readonly version: number;
  /** HTTP status of the API call; 400 for a value that is not `{"enable": true|false}`. */
  readonly status: number;
  readonly message?: string;
}

/**
 * Acknowledgement of a patch of desired properties, reported as `agent.applied`. `null` where the property was deleted:
 * it asks for nothing any more, and its acknowledgement goes with it.
 */
export interface Acknowledgement {
  readonly version: number;
  readonly services?: Record<string, Applied | null>;
  readonly discovery?: Applied | null;
}

function messageOf(payload: unknown): { message?: string } {
  const error = (payload as { error?: { message?: unknown } } | null | undefined)?.error;
  return typeof error?.message === 'string' ? { message: error.message.slice(0, 256) } : {};
}

async function applyOne(
  value: unknown,
  version: number,
  callFor: (enable: boolean) => ApiCall,
  callApi: CallApi,
): Promise<Applied | null> {
  if (value === null) return null;
  let call: ApiCall;
  try {
    call = callFor(validate(Enable, value, 'the value').enable);
  } catch (error) {
    return { version, status: 400, message: reasonOf(error) };
  }
  try {
    const { status, payload } = await callApi(call);
    return status < 400 ? { version, status } : { version, status, ...messageOf(payload) };
  } catch (error) {
    return { version, status: 500, message: reasonOf(error) };
  }
}

function entriesOf(section: unknown): [string, unknown][] {
  if (typeof section !== 'object' || section === null) return [];
  return Object.entries(section).slice(0, MOST_SERVICES);
}

const switchService =
  (id: string) =>
  (enable: boolean): ApiCall => ({
    method: 'PUT',
    path: `/system/services/${id}/${enable ? 'enable' : 'disable'}`,
  });
const switchDiscovery = (enable: boolean): ApiCall => ({
  method: 'PUT',
  path: '/system/discovery',
  body: { enable },
});

/**
 * Applies a patch of desired properties as API calls would: `services.{id}.enable` and `discovery.enable`. What else
 * the patch holds is not ours and left alone.
 * @returns `undefined` when nothing of the patch concerns this gateway.
 */
export async function applyDesired(
  patch: Static<typeof Versioned>,
  callApi: CallApi,
): Promise<Acknowledgement | undefined> {
  const { $version: version } = patch;
  const { services, discovery } = patch as { services?: unknown; discovery?: unknown };
  const applied: Record<string, Applied | null> = {};
  for (const [id, value] of entriesOf(services)) {
    applied[id.slice(0, 64)] = SERVICE_ID.test(id)
      ? await applyOne(value, version, switchService(id), callApi)
      : { version, status: 404, message: 'there is no such service' };
  }
  const asksServices = Object.keys(applied).length > 0;
  if (!asksServices && discovery === undefined) return undefined;
  return {
    version,
    ...(asksServices ? { services: applied } : {}),
    ...(discovery === undefined
      ? {}
      : { discovery: await applyOne(discovery, version, switchDiscovery, callApi) }),
  };
}
