import type { FastifyInstance } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';

/** Requests that may be under way at once; more get 503 with Retry-After instead of memory. */
const LARGEST_IN_FLIGHT = 256;

/** Refuses requests beyond a number under way. `/health` is always answered: a busy agent is not a dead one. */
export function useLoadShedding(app: FastifyInstance, largest = LARGEST_IN_FLIGHT): void {
  let inFlight = 0;
  app.addHook('onRequest', (request, reply, done) => {
    if (inFlight >= largest && request.routeOptions.url?.endsWith('/health') !== true) {
      done(new TpeError('API_BUSY'));
      return;
    }
    inFlight += 1;
    // 'close' comes exactly once, also when the client goes away in the middle.
    reply.raw.once('close', () => (inFlight -= 1));
    done();
  });
}
