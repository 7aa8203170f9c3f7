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
import { useAudit } from './plugins/audit';
import { useAuthentication } from './plugins/authentication';
import { CloudPass } from './plugins/cloud-pass';
import { sendError, useEnvelope } from './plugins/errors';
import { acceptJson } from './plugins/json-body';
import { useLoadShedding } from './plugins/load-shedding';
import { collectRoutes } from './plugins/route-collector';
import { typeBoxCompilers } from './plugins/schema-compiler';
import { useSecurityHeaders } from './plugins/security-headers';
import { accountSettingRoutes } from './routes/account-settings';
import { auditRoutes } from './routes/audits';
import { authRoutes } from './routes/auth';
import { azureRoutes } from './routes/azure';
import { descriptionRoutes } from './routes/description';
import { deviceRoutes } from './routes/device';
import { healthRoutes } from './routes/health';
import { metricRoutes } from './routes/metrics';
import { provisioningRoutes } from './routes/provisioning';
import { serviceRoutes } from './routes/services';
import { systemRoutes } from './routes/system';
import { tpmRoutes } from './routes/tpm';
import { userRoutes } from './routes/users';

const DEFAULT_BODY_LIMIT = 64 * 1024;

const ROUTES = [
  authRoutes,
  userRoutes,
  accountSettingRoutes,
  deviceRoutes,
  azureRoutes,
  tpmRoutes,
  provisioningRoutes,
  systemRoutes,
  serviceRoutes,
  auditRoutes,
  healthRoutes,
  metricRoutes,
  descriptionRoutes,
];

/**
 * The REST API with everything it works on given. `inject` calls it without a network; {@link ApiServer} gives it one.
 */
export function buildApi(dependencies: ApiDependencies, options: ApiOptions = {}): FastifyInstance {
  const loggerInstance: FastifyBaseLogger = dependencies.logger;
  const app = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimit ?? DEFAULT_BODY_LIMIT,
    exposeHeadRoutes: false,
    schemaController: { compilersFactory: typeBoxCompilers },
    routerOptions: { maxParamLength: 64 },
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
      void sendError(error, request, reply),
  });
  collectRoutes(app);
  acceptJson(app);
  useEnvelope(app);
  useSecurityHeaders(app);
  useLoadShedding(app);
  useAudit(app, dependencies.audit);
  useAuthentication(app, dependencies.accounts, options.cloudPass ?? new CloudPass());
  app.register(
    (api, _options, done) => {
      for (const add of ROUTES) add(api, dependencies);
      done();
    },
    { prefix: API_BASE },
  );
  return app;
}
