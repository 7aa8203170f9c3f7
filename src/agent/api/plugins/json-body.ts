import type { FastifyInstance, FastifyRequest } from 'fastify';
import { TpeError } from '../../../common/errors/tpe-error';

type Done = (error: Error | null, body?: unknown) => void;

/**
 * Reads bodies as ThingsPro Edge's clients send them: its own helper says `Content-Type: application/json` on every
 * call, also without a body, and scripts leave the header out.
 */
export function acceptJson(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  const parse = (request: FastifyRequest, body: string, done: Done): void => {
    if (body.trim() === '') {
      done(null, undefined);
      return;
    }
    void parseJson(request, body, (error, value) => {
      // Its message names the parser, not what the client did.
      if (error !== null) done(new TpeError('API_INPUT_INVALID', { reason: 'the body is not JSON' }));
      else done(null, value);
    });
  };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, parse);
  app.addContentTypeParser<string>('*', { parseAs: 'string' }, (request, body, done) => {
    if (request.headers['content-type'] === undefined || body === '') parse(request, body, done);
    else done(new TpeError('API_MEDIA_TYPE'));
  });
}
