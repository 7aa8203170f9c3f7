import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';
import { AuditRecord } from '../../system/audit-record';
import type { ApiDependencies } from '../dependencies';
import { READ, addRoute } from '../route';
import { list } from '../schemas/envelope';

const Word = Type.Optional(Type.String({ minLength: 1, maxLength: 256 }));
const Time = Type.Optional(Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT[0-9:.]{2,12}Z$' }));

const Query = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]{0,2}|1000)$' })),
  offset: Type.Optional(Type.String({ pattern: '^[0-9]{1,6}$' })),
  user: Word,
  source: Word,
  category: Word,
  result: Type.Optional(Type.Union(['success', 'refused', 'failed'].map((word) => Type.Literal(word)))),
  from: Time,
  to: Time,
});

const DEFAULT_LIMIT = '100';

/** A query reads the whole trail; several at once would cost memory that the gateway does not have. */
const MOST_WAITING = 4;

export function auditRoutes(app: FastifyInstance, { audit }: ApiDependencies): void {
  let waiting = 0;
  let turn: Promise<unknown> = Promise.resolve();
  // AIG-302 calls the resource audits, AIG-301 calls it events.
  for (const url of ['/audits', '/events']) {
    addRoute(app, {
      method: 'GET',
      url,
      access: READ,
      summary: 'The audit trail, newest first; `count` counts all records that match',
      tag: 'audits',
      query: Query,
      answer: list(AuditRecord),
      handler: async (request) => {
        const { limit = DEFAULT_LIMIT, offset = '0', ...filters } = request.query;
        if (waiting >= MOST_WAITING) throw new TpeError('API_BUSY');
        waiting += 1;
        const query = turn.then(() =>
          audit.query({ limit: Number(limit), offset: Number(offset), ...filters }),
        );
        turn = query.catch(() => undefined).finally(() => (waiting -= 1));
        const page = await query;
        return { count: page.count, data: page.records };
      },
    });
  }
}
