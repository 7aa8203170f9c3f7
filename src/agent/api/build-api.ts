import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { API_BASE } from '../../protocol/api-types';
import type { ApiDependencies, ApiOptions } from './dependencies';
import { useAuthentication } from './plugins/authentication';
import { refuseMalformed, sendError, useEnvelope } from './plugins/errors';
import { acceptJson } from './plugins/json-body';
import { useTypeBox } from './plugins/schema-compiler';
import { authRoutes } from './routes/auth';
import { azureRoutes } from './routes/azure';
import { deviceRoutes } from './routes/device';
import { healthRoutes } from './routes/health';
import { provisioningRoutes } from './routes/provisioning';
import { discoveryRoutes, serviceRoutes } from './routes/system';

const DEFAULT_BODY_LIMIT = 64 * 1024;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 10_000;
const CONNECTION_TIMEOUT_MS = 60_000;

function createServer({ logger }: ApiDependencies, { https, bodyLimit }: ApiOptions): FastifyInstance {
  const common = {
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyLimit ?? DEFAULT_BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
      void sendError(error, request, reply),
  };
  if (https === undefined) return fastify(common);
  // Fastify types an HTTPS instance apart; plugins and routes do not care which server is below.
  return fastify({ ...common, https: { ...https, minVersion: 'TLSv1.2' } });
}

/**
 * The REST API with everything it works on given. `inject` calls it without a network; `listen` is the caller's.
 */
export function buildApi(dependencies: ApiDependencies, options: ApiOptions = {}): FastifyInstance {
  const app = createServer(dependencies, options);
  useTypeBox(app);
  acceptJson(app);
  useEnvelope(app);
  useAuthentication(app, dependencies.accounts);
  app.register(
    (api, _options, done) => {
      authRoutes(api, dependencies);
      deviceRoutes(api, dependencies);
      azureRoutes(api, dependencies);
      provisioningRoutes(api, dependencies);
      discoveryRoutes(api, dependencies);
      serviceRoutes(api, dependencies);
      healthRoutes(api, dependencies);
      done();
    },
    { prefix: API_BASE },
  );
  return app;
}
