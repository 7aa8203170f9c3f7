import type { FastifyInstance } from 'fastify';
import { API_BASE } from '../../protocol/api-types';
import { ROLES } from '../accounts/permissions';
import type { CallApi } from '../hub/direct-methods';
import { CLOUD_SOURCE, type CloudPass } from './plugins/cloud-pass';

/** Roles by their names in the settings file. */
export type CloudRole = 'administrator' | 'operator' | 'viewer';

/**
 * Calls the REST API for IoT Hub with the permissions of a role: the same checks, the same audit trail, no password.
 * Whoever may call direct methods is known to the hub, not to the gateway, so accounts stay out of reach whatever the
 * role: an `SYS_USER_RW` from the cloud could lock the people on site out.
 */
export function cloudCaller(app: FastifyInstance, pass: CloudPass, role: CloudRole): CallApi {
  const permissions = ROLES.find(({ name }) => name.toLowerCase() === role)?.permissions ?? [];
  const token = pass.issue(permissions.filter((permission) => permission !== 'SYS_USER_RW'));
  return async ({ method, path, body }) => {
    const target = path.startsWith(API_BASE) ? path.slice(API_BASE.length) : path;
    const answer = await app.inject({
      method,
      url: `${API_BASE}${target}`,
      remoteAddress: CLOUD_SOURCE,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, payload: answer.payload === '' ? undefined : parse(answer.payload) };
  };
}

/** Metrics and the page are text; a method's payload has to be JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { text };
  }
}
