import { Type } from '@sinclair/typebox';
import { reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import type { ApiCall, CallApi } from './direct-methods';

const Enable = Type.Object({ enable: Type.Boolean() });
const Versioned = Type.Object({ $version: Type.Integer({ minimum: 0 }) });
const SERVICE_ID = /^[a-z0-9]{1,64}$/;
/** Services that one patch may change. */
const MOST_SERVICES = 64;

/** What became of one desired property. */
export interface Applied {
  /** HTTP status of the API call; 400 for a value that is not `{"enable": true|false}`. */
  readonly status: number;
  readonly message?: string;
}

/** Acknowledgement of a patch of desired properties, reported as `agent.applied`. */
export interface Acknowledgement {
  readonly version: number;
  readonly services?: Record<string, Applied>;
  readonly discovery?: Applied;
}

function messageOf(payload: unknown): { message?: string } {
  const error = (payload as { error?: { message?: unknown } } | null | undefined)?.error;
  return typeof error?.message === 'string' ? { message: error.message.slice(0, 256) } : {};
}

async function applyOne(
  value: unknown,
  callFor: (enable: boolean) => ApiCall,
  callApi: CallApi,
): Promise<Applied> {
  let call: ApiCall;
  try {
    call = callFor(validate(Enable, value, 'the value').enable);
  } catch (error) {
    return { status: 400, message: reasonOf(error) };
  }
  try {
    const { status, payload } = await callApi(call);
    return status < 400 ? { status } : { status, ...messageOf(payload) };
  } catch (error) {
    return { status: 500, message: reasonOf(error) };
  }
}

function entriesOf(section: unknown): [string, unknown][] {
  if (typeof section !== 'object' || section === null) return [];
  return Object.entries(section).slice(0, MOST_SERVICES);
}

/**
 * Applies a patch of desired properties as API calls would: `services.{id}.enable` and `discovery.enable`. What else
 * the patch holds is not ours and left alone.
 * @returns `undefined` when nothing of the patch concerns this gateway.
 */
export async function applyDesired(patch: unknown, callApi: CallApi): Promise<Acknowledgement | undefined> {
  const { $version: version } = validate(Versioned, patch, 'the desired properties');
  const { services, discovery } = patch as { services?: unknown; discovery?: unknown };
  const applied: Record<string, Applied> = {};
  for (const [id, value] of entriesOf(services)) {
    // A property that was deleted from the twin asks for nothing.
    if (value === null) continue;
    applied[id.slice(0, 64)] = SERVICE_ID.test(id)
      ? await applyOne(
          value,
          (enable) => ({ method: 'PUT', path: `/system/services/${id}/${enable ? 'enable' : 'disable'}` }),
          callApi,
        )
      : { status: 404, message: 'there is no such service' };
  }
  const asksServices = Object.keys(applied).length > 0;
  const asksDiscovery = discovery !== undefined && discovery !== null;
  if (!asksServices && !asksDiscovery) return undefined;
  return {
    version,
    ...(asksServices ? { services: applied } : {}),
    ...(asksDiscovery
      ? {
          discovery: await applyOne(
            discovery,
            (enable) => ({ method: 'PUT', path: '/system/discovery', body: { enable } }),
            callApi,
          ),
        }
      : {}),
  };
}
