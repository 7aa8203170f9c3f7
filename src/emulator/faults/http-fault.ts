import type { FastifyReply } from 'fastify';
import { systemClock, delay } from '../../common/clock';
import type { FaultAction } from './faults';

type AnyReply = Pick<FastifyReply, 'code' | 'header' | 'headers' | 'hijack' | 'send' | 'sent'> & {
  readonly raw: FastifyReply['raw'];
};

/** Carries out a fault on an HTTP answer. True when the answer is done and the handler must not go on. */
export async function applyHttpFault(fault: FaultAction | undefined, reply: AnyReply): Promise<boolean> {
  switch (fault?.type) {
    case 'drop':
      reply.hijack();
      reply.raw.destroy();
      return true;
    case 'silence':
      reply.hijack();
      return true;
    case 'delay':
      await delay(systemClock, fault.delayMs);
      return false;
    case 'status':
      reply.code(fault.status).headers(fault.headers ?? {});
      reply.send(fault.body);
      return true;
    case 'garbage':
      reply.code(200).header('content-type', 'application/json; charset=utf-8').send('{"status":"assig');
      return true;
    case 'corruptBlob':
    case 'cutBlob':
    case 'wrongKey':
    case 'wrongEk':
    case 'result':
    case 'connack':
    case 'expireToken':
    case 'moveHub':
    case 'clockOffset':
    case undefined:
      return false;
  }
}
