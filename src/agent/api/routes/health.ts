import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { LifecycleState } from '../../../protocol/api-types';
import type { ApiDependencies } from '../dependencies';
import { data } from '../schemas/envelope';

const Health = Type.Object({
  status: Type.Literal('ok'),
});

const Readiness = Type.Object({
  ready: Type.Boolean(),
  tpm: Type.Boolean(),
  hub: LifecycleState,
  accounts: Type.Boolean(),
});

export function healthRoutes(app: FastifyInstance, { tpm, provisioning, accounts }: ApiDependencies): void {
  // Whoever asks without a token learns that the loop turns, and nothing else.
  app.get(
    '/health',
    {
      config: { access: 'public' },
      schema: { summary: 'Liveness', tags: ['health'], response: { 200: data(Health) } },
    },
    () => ({ data: { status: 'ok' } }),
  );

  app.get(
    '/health/ready',
    {
      config: { access: { permission: 'SYS_MAINTENANCE_R' } },
      schema: {
        summary: 'Readiness of TPM, hub connection and accounts',
        tags: ['health'],
        response: { 200: data(Readiness), 503: data(Readiness) },
      },
    },
    async (_request, reply) => {
      const hub = provisioning.status().state;
      const parts = { tpm: tpm !== undefined, hub, accounts: accounts.locked === undefined };
      const ready = parts.tpm && parts.accounts && hub === 'connected';
      return reply.code(ready ? 200 : 503).send({ data: { ready, ...parts } });
    },
  );
}
