import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { API_BASE, LifecycleState } from '../../../protocol/api-types';
import type { ApiDependencies } from '../dependencies';
import { READ, addRoute } from '../route';
import { data } from '../schemas/envelope';

const Readiness = Type.Object({
  ready: Type.Boolean(),
  tpm: Type.Boolean(),
  hub: LifecycleState,
  accounts: Type.Boolean(),
  audit: Type.Boolean(),
});

export function healthRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { tpm, provisioning, accounts, audit } = dependencies;

  // Whoever asks without a token learns that the loop turns, and nothing else.
  addRoute(app, {
    method: 'GET',
    url: '/health',
    access: 'public',
    summary: 'Liveness',
    tag: 'health',
    answer: data(Type.Object({ status: Type.Literal('ok') })),
    handler: () => ({ data: { status: 'ok' } }),
  });

  addRoute(app, {
    method: 'GET',
    url: '/version',
    access: 'public',
    summary: 'Version and base path of the API',
    tag: 'health',
    answer: data(Type.Object({ api: Type.Literal('v1'), base: Type.Literal(API_BASE) })),
    handler: () => ({ data: { api: 'v1', base: API_BASE } }),
  });

  addRoute(app, {
    method: 'GET',
    url: '/health/ready',
    access: READ,
    summary: 'Readiness of TPM, hub connection, accounts and audit trail; 503 while something is missing',
    tag: 'health',
    answer: data(Readiness),
    handler: async (_request, reply) => {
      const answers = await tpm?.info().then(
        () => true,
        () => false,
      );
      const parts = {
        tpm: answers ?? false,
        hub: provisioning.status().state,
        accounts: accounts.locked === undefined,
        audit: audit.failing === undefined,
      };
      const ready = parts.tpm && parts.accounts && parts.audit && parts.hub === 'connected';
      if (!ready) reply.code(503);
      return { data: { ready, ...parts } };
    },
  });
}
