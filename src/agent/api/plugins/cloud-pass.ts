import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Permission } from '../../accounts/permissions';
import type { Caller } from './caller';

/** Stands in the place of a client's address for calls from the cloud; no peer on a network can have it. */
export const CLOUD_SOURCE = 'iothub';

/** Lets calls in that come through IoT Hub. A pass never leaves this process. */
export class CloudPass {
  readonly #passes = new Map<string, readonly Permission[]>();

  /** A bearer token for calls with these permissions. */
  issue(permissions: readonly Permission[]): string {
    const token = randomBytes(32).toString('base64url');
    this.#passes.set(token, permissions);
    return token;
  }

  /** The caller, when this is a call from the cloud. */
  callerOf(request: FastifyRequest): Caller | undefined {
    if (request.ip !== CLOUD_SOURCE) return undefined;
    const permissions = this.#passes.get(request.headers.authorization?.replace(/^Bearer /, '') ?? '');
    if (permissions === undefined) return undefined;
    return {
      permissions,
      session: {
        id: CLOUD_SOURCE,
        userId: 0,
        source: CLOUD_SOURCE,
        loginAt: '',
        startedAt: 0,
        lastSeenAt: 0,
      },
      user: {
        id: 0,
        name: CLOUD_SOURCE,
        email: null,
        isActive: true,
        roleIds: [],
        passwordHash: '',
        passwordChangedAt: null,
        mustChange: false,
      },
    };
  }
}
